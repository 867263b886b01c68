"""Uploads made to cost much, sent to a real ``bentoml serve`` whose memory is watched."""

import concurrent.futures
import contextlib
import re
from pathlib import Path

import bombs
import cv2
import httpx
import numpy as np
import psutil
import pytest
import running
from brightness_release import write_release

pytestmark = pytest.mark.slow

MIB = 1 << 20
SERVE = {"max_upload_mib": 20, "max_pixels": bombs.SIDE**2, "batch_max": 4, "threads": 1}
LIMITS = {"max_side_px": 512, "min_side_px": 4, "max_pixels": bombs.SIDE**2}
GROWTH_MIB = 160
"""Of one request: the upload three times (as it comes, whole, its part), an image decoded."""


@pytest.fixture(scope="module")
def service(tmp_path_factory, pytestconfig):
    """A client of a service that runs; one process answers everything."""
    folder = tmp_path_factory.mktemp("served")
    write_release(
        folder / "releases" / "chest_xray", workload="chest_xray", limits=LIMITS, serve=SERVE
    )
    with (
        running.serve(pytestconfig.rootpath, folder) as address,
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        assert send(client, film()).status_code == 200  # whatever is loaded late is loaded
        yield client


@pytest.fixture(autouse=True)
def bounded(service):
    """After each test: the same processes run, none grew much meanwhile, and a film is answered."""
    before = {process.pid: _peak_mib(process.pid, reset=True) for process in _processes()}
    yield
    after = {process.pid: _peak_mib(process.pid) for process in _processes()}
    assert after.keys() == before.keys()
    assert max(after[pid] - before[pid] for pid in after) < GROWTH_MIB
    assert send(service, film()).status_code == 200


def _processes():
    return psutil.Process().children(recursive=True)


def _peak_mib(pid, *, reset=False):
    """Most memory since the last reset; after a reset, that of this moment."""
    if reset:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def film():
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
    return cv2.imencode(".png", ramp)[1].tobytes()


def send(client, content, *, kind="application/octet-stream", **headers):
    return client.post("/v1/chest_xray", content=content, headers={"Content-Type": kind, **headers})


@pytest.mark.parametrize("name", [*bombs.IMAGES, *bombs.FILMS])
def test_a_file_that_asks_for_much_is_refused(service, name):
    response = send(service, {**bombs.IMAGES, **bombs.FILMS}[name]())
    assert response.status_code in (400, 413, 415, 422), response.text
    assert "error" in response.json()


def test_many_at_once_are_refused_too(service):
    names = ["deflated", "jpeg 2000 in small precincts", "two million windows"]
    files = [bombs.FILMS[name]() for name in names] * 4
    with concurrent.futures.ThreadPoolExecutor(len(files)) as pool:
        statuses = list(pool.map(lambda file: send(service, file).status_code, files))
    assert set(statuses) <= {400, 413, 415, 422, 503}


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, gzip"])
def test_a_compressed_body_is_not_opened(service, coding):
    response = send(service, bombs.zeros(128, wbits=31), **{"Content-Encoding": coding})
    assert response.status_code == 415
    assert "Content-Encoding" in response.json()["error"]


def test_a_body_without_a_length_is_counted(service):
    chunks = (bytes(64 * 1024) for _ in range(1600))  # 100 MiB
    with contextlib.suppress(httpx.WriteError):  # told before all was sent, and the line closed
        assert send(service, chunks).status_code == 413


def test_a_form_of_many_parts_is_refused(service):
    part = b'--cut\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
    body = part * 200_000 + b"--cut--\r\n"
    response = send(service, body, kind="multipart/form-data; boundary=cut")
    assert response.status_code == 400
    assert "parts" in response.json()["error"]
