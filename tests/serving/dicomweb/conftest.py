"""A service for chest radiographs, and radiographs of invented people to send to it."""

import io
import socket
import threading
import time

import pydicom
import pytest
import uvicorn
from brightness_release import TRUSTED, write_release
from fastapi.testclient import TestClient

from medpipe import workloads
from medpipe.audit.place import Place
from medpipe.audit.sqlite import Sqlite
from medpipe.errors import UnreadableError
from medpipe.serving import api
from medpipe.serving.catalogue import Catalogue
from medpipe.serving.recorder import Recorder

LIMITS = {"max_side_px": 512, "min_side_px": 4, "max_pixels": 1_000_000}
SERVE = {"max_upload_mib": 1, "max_pixels": 1_000_000, "batch_max": 4, "threads": 1}


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> bytes:
    """A readable film of the sample, uncompressed."""
    workload, folder = workloads.get("chest_xray"), tmp_path_factory.mktemp("sample")
    workload.synthesise(folder, patients=3, seed=1)
    for item in workload.source("sample", folder, options={}).items():
        data = item.payload.read_bytes()
        try:
            workload.read(data, limits=LIMITS)
        except UnreadableError:
            continue
        if pydicom.dcmread(io.BytesIO(data)).get("PatientName"):
            return data
    raise AssertionError("the sample has no readable radiograph")


@pytest.fixture(scope="session")
def film(sample):
    """Makes a film like the sample's; `elements` are set, None deletes."""

    def changed(number: int = 1, **elements) -> bytes:
        dataset = pydicom.dcmread(io.BytesIO(sample))
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        for keyword, value in elements.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        buffer = io.BytesIO()
        dataset.save_as(buffer)
        return buffer.getvalue()

    return changed


@pytest.fixture(scope="session")
def books(tmp_path_factory):
    """Where the service records its answers."""
    path = tmp_path_factory.mktemp("audit") / "audit.db"
    return Place(Sqlite(path), path)


@pytest.fixture(scope="session")
def create(tmp_path_factory, pytestconfig, books):
    """Makes the service's application for chest radiographs."""
    folder = tmp_path_factory.mktemp("releases")
    write_release(folder / "chest_xray", workload="chest_xray", limits=LIMITS, serve=SERVE)

    def made(**how):
        return api.create(
            lambda: Catalogue(folder, trusted=lambda _: TRUSTED),
            recorder=lambda: Recorder(lambda: books),
            page=pytestconfig.rootpath / "service/page.html",
            **how,
        )

    return made


@pytest.fixture(scope="session")
def application(create):
    """The application, for clients on this machine."""
    return create()


@pytest.fixture
def client(application):
    """Asks the application without a network."""
    with TestClient(application) as client:
        yield client


@pytest.fixture(scope="module")
def address(application):
    """The application behind a real server on a free port of this machine."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(application, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        until = time.monotonic() + 30
        while not server.started and time.monotonic() < until:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(30)
