"""A real ``bentoml serve`` under load while its champion is exchanged: nobody is turned away."""

import os
import time

import asking
import httpx
import pytest
import running
from film_project import WORKLOAD, FilmProject

pytestmark = pytest.mark.slow
SWAP_S = 10
"""From the command to the model it names answering: what a person at night may count on."""


@pytest.fixture
def project(tmp_path):
    made = FilmProject(tmp_path / "project").make()
    made.train(threshold=0.6)
    made.typed("promote", WORKLOAD)
    return made


def is_busy():
    """Whether others compute on this machine: then seconds on the clock say nothing."""
    return os.getloadavg()[0] > 2 * len(os.sched_getaffinity(0))


def standing(address):
    """What the service says of the model on probation."""
    return httpx.get(f"{address}/v1/").json()[0]["probation"]


def until(condition, *, s=30):
    """What `condition` gives, once it is something."""
    end = time.monotonic() + s
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)
    return found


def test_a_rollback_reaches_every_client_in_ten_seconds_and_no_request_is_dropped(
    project, tmp_path, pytestconfig
):
    told = {**project.environment, "MEDPIPE_WORKERS": "2"}
    with (
        running.serve(pytestconfig.rootpath, tmp_path, **told) as address,
        asking.asked(address) as clients,
    ):
        clients.wait_for("1", s=30)
        project.train(threshold=0.7)
        project.typed("promote", WORKLOAD)
        clients.wait_for("2", s=60)
        started = time.monotonic()
        project.typed("rollback", WORKLOAD, "--reason", "alarms")
        took_s = clients.wait_for("1", s=60) - started
        assert took_s < SWAP_S or is_busy()
    assert clients.versions() == {"1", "2"}  # neither an error nor a refusal


def test_a_canary_that_does_well_becomes_champion_and_a_shadow_that_fails_is_taken_back(
    project, tmp_path, pytestconfig
):
    project.configure(release={"answers": 60, "latency_p95_ms": 60_000.0})
    told = {**project.environment, "MEDPIPE_AUDIT": f"sqlite:///{tmp_path / 'audit.db'}"}
    with (
        running.serve(pytestconfig.rootpath, tmp_path, **told) as address,
        asking.asked(address, clients=8) as clients,
    ):
        project.train(threshold=0.62)
        project.typed("promote", WORKLOAD, "--canary", "0.5")
        until(lambda: (found := standing(address)) and found["compared"] >= 60)
        assert clients.versions() == {"1", "2"}
        judged, _ = project.typed("release", WORKLOAD, "--judge", **told)
        assert (judged["verb"], judged["champion"]) == ("full", "2")
        full = clients.wait_for("2", s=60)
        project.train(slope=float("nan"))
        project.typed("promote", WORKLOAD, "--shadow")
        stopped = until(lambda: (found := standing(address)) and found["stopped"])
        assert stopped == "2 of 2 answers failed; 0.02 of them may"
        judged, _ = project.typed("release", WORKLOAD, "--judge", **told)
        assert (judged["verb"], judged["champion"]) == ("roll back", "2")
        until(lambda: standing(address) is None)
    assert clients.versions(since=full) == {"2"}
    assert clients.versions() == {"1", "2"}  # neither an error nor a refusal
