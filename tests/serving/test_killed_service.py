"""A real ``bentoml serve`` under load, killed at random moments: what was answered is on record."""

import contextlib
import random
import threading
import time

import cv2
import httpx
import numpy as np
import psutil
import pytest
import running
from brightness_release import write_release

from medpipe.audit import place as places
from medpipe.audit.chain import faults

pytestmark = pytest.mark.slow
CLIENTS = 8
KILLS = 5
BETWEEN = 15
"""Answers from one kill to the next, at least: so that the service is under load at each."""


@pytest.fixture(autouse=True)
def releases(tmp_path):
    write_release(
        tmp_path / "releases" / "chest_xray",
        workload="chest_xray",
        limits={"max_side_px": 512, "min_side_px": 4, "max_pixels": 100_000_000},
        serve={"max_upload_mib": 1, "max_pixels": 100_000_000, "batch_max": 4, "threads": 1},
    )


def film(seed):
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 64), np.uint8)
    return cv2.imencode(".png", cv2.GaussianBlur(pixels, (0, 0), 3))[1].tobytes()


@contextlib.contextmanager
def load(address, given):
    """Clients that never rest, and note down the name of every answer that they got whole."""
    over = threading.Event()

    def ask(content):
        while not over.is_set():
            with contextlib.suppress(httpx.HTTPError, ValueError):
                response = httpx.post(
                    f"{address}/v1/chest_xray", files={"file": content}, timeout=5
                )
                if response.status_code == 200:
                    given.append(response.json()["answer_id"])

    clients = [threading.Thread(target=ask, args=(film(seed),)) for seed in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        over.set()
        for client in clients:
            client.join()


def wait_for_more(given, count):
    """Until `count` more answers have come, at most 90 s, and then a random moment."""
    until, enough = time.monotonic() + 90, len(given) + count
    while len(given) < enough:
        assert time.monotonic() < until, f"{len(given)} of {enough} answers came"
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.05))


def server(address):
    """The process that serves at `address`, and its workers."""
    port = address.rpartition(":")[2]
    (found,) = [each for each in psutil.Process().children() if port in each.cmdline()]
    return found, found.children()


def recorded(place):
    """Names of all answers on record; the chain is whole."""
    chain = place.chain(create=False)
    store = place.store(chain)
    store.open(create=False)
    found = list(store.records())
    store.close()
    assert list(faults(found, chain, [place.head(chain).read()])) == []
    return [record.answer_id for record in found if record.status == 200]


@pytest.mark.parametrize("workers", [1, 2])
def test_every_answer_that_arrived_is_on_record_once_whatever_is_killed(
    tmp_path, pytestconfig, audit_database, workers
):
    given = []
    told = {"MEDPIPE_AUDIT": f"sqlite:///{audit_database}", "MEDPIPE_WORKERS": str(workers)}
    with running.serve(pytestconfig.rootpath, tmp_path, **told) as address, load(address, given):
        assert len(server(address)[1]) == workers
        for _ in range(KILLS):
            wait_for_more(given, BETWEEN)
            random.choice(server(address)[1]).kill()  # whatever it is doing
        wait_for_more(given, BETWEEN)
    on_record = recorded(places.at(tmp_path))
    assert len(on_record) == len(set(on_record))
    assert set(given) <= set(on_record)


def test_a_killed_process_is_replaced_within_two_seconds(tmp_path, pytestconfig):
    with running.serve(pytestconfig.rootpath, tmp_path) as address:
        (before,) = server(address)[1]
        before.kill()
        time.sleep(2)
        (after,) = server(address)[1]
        assert after.pid != before.pid
        until = time.monotonic() + 60
        while httpx.get(f"{address}/readyz", timeout=60).status_code != 200:
            assert time.monotonic() < until
            time.sleep(0.1)


def test_all_processes_killed_at_once_leave_a_record_that_the_next_start_goes_on_with(
    tmp_path, pytestconfig, audit_database
):
    given = []
    told = {"MEDPIPE_AUDIT": f"sqlite:///{audit_database}"}
    for _ in range(2):
        with (
            running.serve(pytestconfig.rootpath, tmp_path, **told) as address,
            load(address, given),
        ):
            wait_for_more(given, BETWEEN)
            parent, workers = server(address)
            for process in (*workers, parent):
                process.kill()
    on_record = recorded(places.at(tmp_path))
    assert len(on_record) == len(set(on_record))
    assert set(given) <= set(on_record)


def test_workers_do_not_outlive_the_process_that_watches_over_them(tmp_path, pytestconfig):
    with running.serve(pytestconfig.rootpath, tmp_path, MEDPIPE_WORKERS="2") as address:
        parent, workers = server(address)
        assert len(workers) >= 2
        workers[0].kill()
        until = time.monotonic() + 10
        while {each.pid for each in parent.children()} <= {each.pid for each in workers}:
            assert time.monotonic() < until
        workers = [each for each in parent.children() if each.pid != workers[0].pid]
        parent.kill()  # one of them has only just begun, and may not have looked who its parent is
        gone, alive = psutil.wait_procs(workers, timeout=15)
        assert (len(gone), alive) == (len(workers), [])
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/livez")
