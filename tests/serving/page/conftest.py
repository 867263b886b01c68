"""A real Chromium before a real ``bentoml serve``: what it asks for and complains of is kept."""

import shutil
from urllib.parse import urlsplit

import pytest
from described_release import write_all
from playwright.sync_api import sync_playwright
from running import serve

from medpipe.serving.access import keyfile

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ABSTAINS = {
    "familiar": {"distance": 1e-6, "share": 0.99},
    "serve": {"threads": 1, "abstain": "refuse"},
}
WARNS = {"familiar": {"distance": 1e-6, "share": 0.99}}


@pytest.fixture(scope="session")
def installed():
    """Where the browser of this machine is."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser is installed; one of {', '.join(BROWSERS)} is needed")
    return path


@pytest.fixture(scope="module")
def chromium(installed):
    """A browser.

    Playwright keeps an event loop running in this thread, beside which no test can run its own: so
    it goes with its module, before the tests of others.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def address(installed, tmp_path_factory, pytestconfig):
    """Of a service of every workload, which asks for no key."""
    folder = tmp_path_factory.mktemp("page")
    write_all(folder)
    with serve(pytestconfig.rootpath, folder) as address:
        yield address


@pytest.fixture(scope="session")
def guarded(installed, tmp_path_factory, pytestconfig):
    """Address, key and releases of one that asks for a key, and knows no input."""
    folder = tmp_path_factory.mktemp("guarded")
    write_all(folder, icu_mortality=WARNS, readmission=ABSTAINS)
    keys = folder / "keys.json"
    _, secret = keyfile.add(keys, "ward", scopes=["papers", "answer:*"], lifetime=None)
    with serve(pytestconfig.rootpath, folder, MEDPIPE_ACCESS_KEYS=str(keys)) as address:
        yield address, secret, folder / "releases"


@pytest.fixture
def look(chromium):
    """Opens a page; at the end, it has asked no other host for anything, and complained of nothing.

    What Chromium says of a status that the page itself explains is no complaint.
    """
    contexts, strangers, complaints = [], [], []

    def opened(address, **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(15_000)
        host = urlsplit(address).netloc
        page = context.new_page()
        page.on("request", lambda sent: strangers.append(sent.url) if _foreign(sent, host) else 0)
        page.on("console", lambda said: complaints.append(said.text) if _wrong(said) else 0)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert strangers == []
    assert complaints == []


def _foreign(sent, host):
    parts = urlsplit(sent.url)
    return parts.scheme not in ("data", "blob") and parts.netloc != host


def _wrong(said):
    is_status = said.text.startswith("Failed to load resource: the server responded with a status")
    return said.type in ("error", "warning") and not is_status
