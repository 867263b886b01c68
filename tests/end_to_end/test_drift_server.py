"""A drifted verdict starts one training, with its reason, through a server's automation."""

from __future__ import annotations

import time

import pytest
import quick_project
from prefect_place import Place
from quick_project import WORKLOAD, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TELL = """
import asyncio, pathlib, sys
from datetime import UTC, datetime
from flows import monitoring
from medpipe.paths import Layout
found = {"action": sys.argv[1], "reasons": ["intensity has moved"]}
layout = Layout(pathlib.Path(), "chest_xray")
print(asyncio.run(monitoring.tell(layout, found, cooldown_h=24, now=datetime.now(UTC))))
"""
"""What the monitoring flow does with a drifted verdict."""


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path, quick_project.make(tmp_path / "project"))


def test_drift_starts_what_it_asks_for_once(place):
    def tell(action: str) -> str:
        return run("python", "-c", TELL, action, cwd=place.root, **place.where).stdout.strip()

    with place.server():
        first, again = place.deploy(), place.deploy()
        actions = ("look-at-data", "retrain", "retrain", "recalibrate")
        assert [tell(action) for action in actions] == ["True", "True", "False", "True"]
        until = time.monotonic() + 60
        while len(place.asked("flow_runs/filter", {})) < 2 and time.monotonic() < until:
            time.sleep(0.5)
        time.sleep(5)  # another one would have come by now
        found = place.asked("flow_runs/filter", {})
        deployments = place.asked("deployments/filter", {})
    assert first == again
    assert len(first["deployments"]) == 5
    told = {"workload": WORKLOAD, "reason": "drift", "note": "intensity has moved"}
    assert [run["parameters"] for run in found] == [told, told]
    assert {run["created_by"]["type"] for run in found} == {"AUTOMATION"}
    started = {run["deployment_id"] for run in found}
    assert {"train", "recalibrate"} == {
        each["entrypoint"].split(":")[1] for each in deployments if each["id"] in started
    }
