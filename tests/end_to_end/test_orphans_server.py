"""A run whose worker is gone holds no place for ever, however far it had come."""

from __future__ import annotations

import json
import time

import pytest
import quick_project
from prefect_place import Place
from quick_project import WORKLOAD, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

IMPATIENT = """
# Ten seconds are the fewest that Prefect allows.
import asyncio
from datetime import timedelta
from prefect.client.orchestration import get_client
from flows import deployments

async def main():
    async with get_client() as client:
        await deployments._apply(client, deployments.orphans(timedelta(seconds=10)))

asyncio.run(main())
"""
TELL = """
import asyncio, json
from datetime import UTC, datetime
from pathlib import Path
from flows import lost
from medpipe.paths import Layout

layout = Layout(Path().resolve(), "chest_xray")
print(json.dumps(asyncio.run(lost.tell(layout, now=datetime.now(UTC)))))
"""
"""What the monitoring flow does."""
TAKEN = {
    "train": ["Pending"],
    "monitor": ["Pending", "Submitting"],
    "score": ["Pending", "Running"],
    "release": ["Pending", "Running", "Completed"],
}
"""Flow → how far its run had come when nothing more was heard of it; one at a time of each."""


def test_runs_whose_worker_was_killed_before_a_heartbeat_have_crashed_and_are_told_once(tmp_path):
    place = Place(tmp_path, quick_project.make(tmp_path / "project"))
    with place.server():
        place.deploy()
        run("python", "-c", IMPATIENT, cwd=place.root, **place.where)
        runs = {flow: taken(place, flow, states) for flow, states in TAKEN.items()}
        assert states_of(place, runs) == {flow: states[-1] for flow, states in TAKEN.items()}
        last = time.monotonic() + 60
        while list(states_of(place, runs).values()).count("Crashed") < len(TAKEN) - 1:
            assert time.monotonic() < last, states_of(place, runs)
            time.sleep(0.5)
        assert states_of(place, runs)["release"] == "Completed"
        told, again = told_of(place), told_of(place)
    assert {line.split()[0] for line in told} == {"train", "monitor", "score"}
    assert all("`prefect deployment run '" in line for line in told)
    assert again == []


def told_of(place: Place) -> list[str]:
    said = run("python", "-c", TELL, cwd=place.root, **place.where).stdout.splitlines()[-1]
    return list(json.loads(said))


def taken(place: Place, flow: str, states: list[str]) -> str:
    """A run of the deployment of `flow` that goes through `states`, and no further."""
    deployment = place.asked(f"deployments/name/{flow}/{WORKLOAD}")["id"]
    made = place.asked(f"deployments/{deployment}/create_flow_run", {"tags": ["urgent"]})["id"]
    for name in states:
        kind = "PENDING" if name == "Submitting" else name.upper()
        body = {"state": {"type": kind, "name": name}}
        told = place.asked(f"flow_runs/{made}/set_state", body)
        assert told["status"] == "ACCEPT", told
    return str(made)


def states_of(place: Place, runs: dict[str, str]) -> dict[str, str]:
    return {flow: place.asked(f"flow_runs/{made}")["state_name"] for flow, made in runs.items()}
