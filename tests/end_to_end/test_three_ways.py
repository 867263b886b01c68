"""One model and one verdict, whoever ran the stages: a person, medpipe run, a Prefect worker."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import planted
import pytest
import quick_project
from prefect_place import Place
from quick_project import WORKLOAD, medpipe, run
from webhook import received

from medpipe import stages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def by_hand(reproduced, tmp_path_factory) -> dict:
    """Model and verdict of ``dvc repro`` and ``medpipe promote``."""
    root = quick_project.copy_of(reproduced, tmp_path_factory.mktemp("by hand") / "project")
    verdict = medpipe("promote", WORKLOAD, cwd=root)
    return {"model": quick_project.model(root), "verdict": quick_project.judged(verdict)}


def test_medpipe_run_makes_the_same_model_and_verdict(by_hand, tmp_path):
    root = quick_project.make(tmp_path / "Ein Projekt")
    told = run("medpipe", "run", WORKLOAD, cwd=root)
    outcome = json.loads(told.stdout)
    assert quick_project.model(root) == by_hand["model"]
    assert quick_project.judged(outcome["verdict"]) == by_hand["verdict"]
    assert set(outcome["stages"].values()) == {"ran"}
    assert re.findall(r"^(\w+) chest_xray: done in", told.stderr, re.MULTILINE) == list(
        stages.NAMES
    )
    # The embedded server has no pages, and Prefect's words do not say which task has ended.
    assert not [word for word in ("View at", "Finished in state", "{") if word in told.stderr]
    assert (root / ".medpipe/bentoml/bentos/medpipe_chest_xray").is_dir()
    what_next = [line for line in told.stderr.splitlines() if line.startswith("  look at the rep")]
    assert Path(shlex.split(what_next[0])[-1]).read_text("utf-8").endswith("</html>")


def test_a_stage_that_refuses_is_told_whole_and_without_a_traceback(reproduced, tmp_path):
    root = quick_project.copy_of(reproduced, tmp_path / "project")
    quick_project.set_params(root, {"validate": {"min_examples": 5000}})
    with (root / "params.yaml").open("a", encoding="utf-8") as params:
        params.write("notify: {to: {team: {by: webhook, address: TEAM_URL, when: [failed]}}}\n")
    with received() as (address, notices):
        told = run("medpipe", "run", WORKLOAD, cwd=root, status=1, TEAM_URL=address).stderr
    assert [notice["subject"] for notice in notices] == [f"medpipe: {WORKLOAD} failed"]
    assert "examples where at least 5000 are asked" in notices[0]["body"]
    last = told[told.rindex("medpipe: ") :]
    assert "examples where at least 5000 are asked; ingest more of the source" in last
    assert "Traceback" not in told


def test_a_prefect_worker_makes_the_same_model_and_verdict(by_hand, tmp_path):
    root = quick_project.make(tmp_path / "Ein Projekt")
    place = Place(tmp_path, root)
    with place.server():
        place.deploy()
        with place.worker():
            place.prefect("deployment", "run", f"train/{WORKLOAD}", "--watch")
            page = place.prefect("artifact", "inspect", "chest-xray-training")
    assert "is champion now" in page.stdout
    assert quick_project.model(root) == by_hand["model"]
    verdict = medpipe("promote", WORKLOAD, cwd=root)
    assert verdict["summary"] == "already champion; nothing changed"
    assert quick_project.judged(verdict)["checks"] == by_hand["verdict"]["checks"]
    # What Prefect wrote down: its database, and the log of every process.
    sought = planted.planted(root / "data" / WORKLOAD / "source")
    written = [path for path in (tmp_path / "prefect").rglob("*") if path.is_file()]
    assert {path: hits for path in written if (hits := sought.found_in(path))} == {}
