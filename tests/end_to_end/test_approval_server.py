"""A run that waits for a person outlives its worker and its server, and goes on where it was."""

from __future__ import annotations

import pytest
import quick_project
from prefect_place import Place
from quick_project import WORKLOAD, medpipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def place(reproduced, tmp_path):
    root = quick_project.copy_of(reproduced, tmp_path / "project")
    quick_project.set_params(root, {"plan": {"approve": ["first"]}})
    return Place(tmp_path, root)


def test_an_answer_outlives_worker_and_server_and_may_come_by_form_or_command(place):
    form = {"decision": "reject", "approver": "Dr. A", "reason": "too few patients"}
    with place.server():
        place.deploy()
        with place.worker():
            place.prefect("deployment", "run", f"train/{WORKLOAD}")
            first = place.until("Suspended", s=120)
            place.asked(f"flow_runs/{first['id']}/resume", {"run_input": form})
            place.until("Completed", s=120)
            refused = place.prefect("artifact", "inspect", "chest-xray-training").stdout
            place.prefect("deployment", "run", f"train/{WORKLOAD}", "-p", "reason=by hand")
            waiting = place.until("Suspended", s=120)
    assert "rejected by Dr. A" in " ".join(refused.split())
    assert medpipe("status", WORKLOAD, cwd=place.root)["champion"] is None
    answer = ("approve", waiting["id"], "--reason", "looked at it", "--approver", "Dr. B")
    with place.server(), place.worker():
        said = medpipe(*answer, cwd=place.root, **place.where)
        ended = place.until("Completed", s=120)
    assert said["goes_on"] == ended["id"] == waiting["id"] != first["id"]
    signed = medpipe("certificate", "show", WORKLOAD, cwd=place.root)
    told = {name: signed["approval"][name] for name in ("approver", "reason")}
    assert told == {"approver": "Dr. B", "reason": "looked at it"}
    assert signed["plan"]["reason"] == "by hand"
