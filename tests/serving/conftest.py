"""A whole release of a workload whose answers can be worked by hand, in every test here."""

from pathlib import Path

import pytest
from brightness_release import TRUSTED, write_release
from described_release import PARTS
from fastapi.testclient import TestClient
from record_release import write_record_release

from medpipe import workloads
from medpipe.audit.place import Place
from medpipe.audit.sqlite import Sqlite
from medpipe.serving import api
from medpipe.serving.catalogue import Catalogue
from medpipe.serving.recorder import Recorder


@pytest.fixture(autouse=True)
def brightness(monkeypatch):
    """The workload is installed, for this test."""
    here = str(Path(__file__).parent / "workloads")
    monkeypatch.setattr(workloads, "__path__", [*workloads.__path__, here])


@pytest.fixture(autouse=True)
def audit_database(tmp_path, monkeypatch) -> Path:
    """Where every answer of this test is recorded."""
    path = tmp_path / "audit" / "audit.db"
    monkeypatch.setenv("MEDPIPE_AUDIT", f"sqlite:///{path}")
    return path


@pytest.fixture
def releases(tmp_path) -> Path:
    """A folder that holds the signed release of `brightness`."""
    write_release(tmp_path / "releases" / "brightness")
    return tmp_path / "releases"


@pytest.fixture(scope="session")
def record_releases(tmp_path_factory) -> Path:
    """A folder that holds the signed releases of the workloads of records."""
    folder = tmp_path_factory.mktemp("records")
    for name, parts in PARTS.items():
        write_record_release(folder / "releases", name, parts=parts, scratch=folder)
    return folder / "releases"


@pytest.fixture(scope="session")
def records_place(record_releases) -> Place:
    """Where their answers are recorded."""
    database = record_releases.with_name("audit.db")
    return Place(Sqlite(database), database)


@pytest.fixture
def newest(records_place):
    """Gives the last record of an answer of theirs."""

    def read():
        store = records_place.store(records_place.chain(create=False))
        store.open(create=False)
        try:
            return store.last(1)[0]
        finally:
            store.close()

    return read


@pytest.fixture(scope="session")
def records_client(record_releases, records_place, pytestconfig):
    """A client of a service that answers for them."""
    made = api.create(
        lambda: Catalogue(record_releases, trusted=lambda _: TRUSTED),
        recorder=lambda: Recorder(lambda: records_place),
        page=pytestconfig.rootpath / "service/page.html",
    )
    with TestClient(made, base_url="http://127.0.0.1:3000", client=("127.0.0.1", 50000)) as client:
        yield client
