"""A recalibration that a person is asked of waits on a server, and goes on with what was found."""

from __future__ import annotations

import json

import pytest
import quick_project
from known_answers import give
from prefect_place import Place
from quick_project import WORKLOAD, medpipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def place(reproduced, tmp_path):
    root = quick_project.copy_of(reproduced, tmp_path / "project")
    bounds = {"cases_least": 25, "intercept": {"high": 3.0}}
    plan = {"approve": ["recalibration"], "recalibrate": bounds}
    quick_project.set_params(root, {"plan": plan})
    medpipe("promote", WORKLOAD, cwd=root)
    give(root, WORKLOAD, "pneumonia")
    return Place(tmp_path, root)


def test_a_recalibration_waits_for_a_person_and_is_then_packaged(place):
    with place.server():
        place.deploy()
        with place.worker():
            place.prefect("deployment", "run", f"recalibrate/{WORKLOAD}", "-p", "reason=drift")
            waiting = place.until("Suspended", s=120)
            asked = place.prefect("artifact", "inspect", "chest-xray-approval").stdout
            answer = ("approve", waiting["id"], "--reason", "a hard winter", "--approver", "Dr. B")
            said = medpipe(*answer, cwd=place.root, **place.where)
            ended = place.until("Completed", s=120)
    assert "The odds of each risk are multiplied by" in " ".join(asked.split())
    assert said["goes_on"] == ended["id"] == waiting["id"]
    status = medpipe("status", WORKLOAD, cwd=place.root)
    assert (status["champion"], status["recalibrates"], status["fits"]) == ("2", "1", True)
    signed = medpipe("certificate", "show", WORKLOAD, cwd=place.root)
    assert (signed["approval"]["reason"], signed["plan"]["reason"]) == ("a hard winter", "drift")
    bentos = place.root / ".medpipe" / "bentoml"
    (packed,) = bentos.rglob(f"releases/{WORKLOAD}/settings.json")
    assert json.loads(packed.read_text())["intercept"] == pytest.approx(1.8, abs=0.6)
