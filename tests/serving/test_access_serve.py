"""Who is answered by a real ``bentoml serve``: what BentoML itself answers included."""

import base64
import socket
import time

import cv2
import httpx
import numpy as np
import pytest
import running
from brightness_release import write_release

from medpipe.serving.access import keyfile

pytestmark = pytest.mark.slow

OPEN = ["/livez", "/readyz", "/healthz"]
CLOSED = [
    *("/", "/v1/", "/v1/openapi.json", "/v1/chest_xray", "/docs", "/docs.json", "/schema.json"),
    *("/static_content/index.html", "/static_content/", "/favicon.ico", "//", "/v1/../schema.json"),
    *("/%73chema.json", "/livez/", "/livez/../schema.json", "/LIVEZ", "/readyz/x"),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory, pytestconfig):
    """Address, log, and the file of keys with one key in it, of a service that runs."""
    folder = tmp_path_factory.mktemp("served")
    limits = {"max_side_px": 512, "min_side_px": 4, "max_pixels": 100_000_000}
    write_release(folder / "releases" / "chest_xray", workload="chest_xray", limits=limits)
    keys = folder / "access.json"
    keyfile.add(keys, "first", scopes=["*"], lifetime=None)
    with running.serve(
        pytestconfig.rootpath, folder, MEDPIPE_ACCESS_KEYS=str(keys), MEDPIPE_RATE="1000/s"
    ) as address:
        yield address, folder / "log", keys


def ask(address, secret, path="/v1/chest_xray"):
    ramp = np.tile(np.arange(40, dtype=np.uint8) * 6, (40, 1))
    upload = {"file": cv2.imencode(".png", ramp)[1].tobytes()}
    return httpx.post(address + path, files=upload, headers={"X-API-Key": secret})


def eventually(claim):
    """Whether `claim` holds within three seconds."""
    until = time.monotonic() + 3
    while not (held := claim()) and time.monotonic() < until:
        time.sleep(0.1)
    return held


def old_http(address):
    """Status of a request as nginx sends it by itself: HTTP/1.0, and none of a proxy's headers."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as line:
        line.sendall(f"GET /v1/ HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode())
        return line.makefile().readline().split()[1]


@pytest.mark.parametrize("path", OPEN)
def test_health_is_open(served, path):
    assert httpx.get(served[0] + path).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "PROPFIND"])
def test_nothing_else_is(served, method):
    with httpx.Client(base_url=served[0]) as client:
        statuses = {path: client.request(method, path).status_code for path in CLOSED}
    # "//" and the like must be refused too, whether it is read as this path or as that
    assert {path: status for path, status in statuses.items() if status not in (401, 429)} == {}


@pytest.mark.parametrize(("path", "said"), [("/v1/%0A", "error"), ("/fhir/%0A/metadata", "issue")])
def test_an_address_that_nobody_can_read_is_refused_as_its_clients_read_it(served, path, said):
    _, secret = keyfile.add(served[2], "lines", scopes=["*"], lifetime=None)
    shown = {"X-API-Key": secret}
    assert eventually(lambda: httpx.get(served[0] + "/v1/", headers=shown).status_code == 200)
    response = httpx.get(served[0] + path, headers=shown)
    assert response.status_code == 404
    assert said in response.json()  # BentoML would answer in plain text


def test_pages_that_load_other_hosts_are_gone_for_who_has_a_key_too(served):
    _, secret = keyfile.add(served[2], "look", scopes=["*"], lifetime=None)
    shown = {"Authorization": "Basic " + base64.b64encode(f"me:{secret}".encode()).decode()}
    assert eventually(lambda: httpx.get(served[0] + "/", headers=shown).status_code == 200)
    assert "Intended use" in httpx.get(served[0] + "/", headers=shown).text
    for path in ("/docs.json", "/static_content/index.html", "/redoc"):
        assert httpx.get(served[0] + path, headers=shown).status_code == 404


def test_a_key_is_taken_up_and_ended_without_a_restart_and_leaves_no_trace(served):
    address, log, keys = served
    key, secret = keyfile.add(keys, "ward", scopes=["answer:*"], lifetime=None)
    assert eventually(lambda: ask(address, secret).status_code == 200)
    assert ask(address, secret, "/v1/chest_xray?key=" + secret).status_code == 200
    assert ask(address, secret[:-4] + "AAAA").status_code in (401, 429)
    keyfile.revoke(keys, key.id)
    assert eventually(lambda: ask(address, secret).status_code in (401, 429))
    assert secret[-30:-5] not in log.read_text()


def test_without_a_key_in_the_project_only_this_machine_is_answered(tmp_path, pytestconfig):
    limits = {"max_side_px": 512, "min_side_px": 4, "max_pixels": 100_000_000}
    write_release(tmp_path / "releases" / "chest_xray", workload="chest_xray", limits=limits)
    with running.serve(pytestconfig.rootpath, tmp_path) as address:
        proxied = {"X-Forwarded-For": "127.0.0.1"}
        by_another_name = {"Host": "medpipe.example"}
        assert httpx.get(address + "/v1/").status_code == 200
        for headers in (proxied, by_another_name):
            assert httpx.get(address + "/v1/", headers=headers).status_code == 401
        assert old_http(address) == "401"  # what a proxy speaks to which nothing else was said
    assert (tmp_path / "log").read_text().count("only clients on this machine") == 1
