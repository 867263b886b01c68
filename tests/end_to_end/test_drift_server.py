"""A drifted verdict starts what it asks for, once, through a server's automations."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
import quick_project
from prefect_place import Place
from quick_project import WORKLOAD, run
from watched_project import TRUSTED, Asked

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TELL = """
import asyncio, pathlib, sys
from datetime import UTC, datetime
from flows import monitoring
from medpipe.paths import Layout
found = {"action": sys.argv[1], "reasons": ["age_years is not stated"]}
layout = Layout(pathlib.Path(), "chest_xray")
print(asyncio.run(monitoring.tell(layout, found, cooldown_h=24, now=datetime.now(UTC))))
"""
"""What the monitoring flow does with a verdict."""
WATCH = """
import asyncio, json
from flows import monitoring
print(json.dumps(asyncio.run(monitoring.monitor("chest_xray"))))
"""
"""The monitoring flow, as a worker runs it."""


@pytest.fixture
def place(tmp_path):
    """Its champion was asked for the last two whole weeks, about films of another scanner."""
    place = Place(tmp_path, quick_project.make(tmp_path / "project"))
    place.where["MEDPIPE_TRUSTED_KEYS"] = TRUSTED
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    asked = Asked(place.root, first=today - timedelta(days=today.weekday(), weeks=2))
    for number in (0, 1):
        asked.ask(number, 120, distance=1.5)
    return place


def test_drift_starts_what_it_asks_for_once(place):
    def said(program: str, *given: str) -> str:
        done = run("python", "-c", program, *given, cwd=place.root, **place.where)
        return done.stdout.strip().splitlines()[-1]

    with place.server():
        first, again = place.deploy(), place.deploy()
        assert said(TELL, "look-at-data") == "True"
        found, once_more = (json.loads(said(WATCH)) for _ in range(2))
        until = time.monotonic() + 60
        assert said(TELL, "recalibrate") == "True"
        while len(by_automation(place)) < 2 and time.monotonic() < until:
            time.sleep(0.5)
        time.sleep(5)  # another one would have come by now
        started = by_automation(place)
    assert first == again
    assert len(first["deployments"]) == 5
    assert (found["verdict"], found["action"]) == ("drifted", "retrain")
    assert once_more["reasons"] == found["reasons"]
    note = "; ".join(found["reasons"])
    told = {"workload": WORKLOAD, "reason": "drift"}
    assert started == {
        "train": [told | {"note": note}],
        "recalibrate": [told | {"note": "age_years is not stated"}],
    }


def by_automation(place: Place) -> dict[str, list[dict]]:
    """Flow → parameters of its runs that no person and no program asked for."""
    names = {
        each["id"]: each["entrypoint"].split(":")[1]
        for each in place.asked("deployments/filter", {})
    }
    found: dict[str, list[dict]] = {}
    for made in place.asked("flow_runs/filter", {}):
        if (made["created_by"] or {}).get("type") == "AUTOMATION":
            found.setdefault(names[made["deployment_id"]], []).append(made["parameters"])
    return found
