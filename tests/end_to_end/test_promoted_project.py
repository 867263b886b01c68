"""From weights to an answered upload, through the commands that a person types."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import planted
import pytest
import quick_project
from click.testing import CliRunner
from fastapi.testclient import TestClient
from quick_project import WORKLOAD

from medpipe import cli, lineage
from medpipe.paths import Layout
from medpipe.serving import api, catalogue, recorder
from medpipe.tables.raw import Raw
from medpipe.tables.ready import Ready
from medpipe.tracking import store
from medpipe.workloads import get


@dataclass(frozen=True)
class Promoted:
    """A project, and what `medpipe promote` said: strict policy, lenient one, again."""

    root: Path
    refused: dict[str, Any]
    allowed: dict[str, Any]
    again: dict[str, Any]

    @property
    def layout(self) -> Layout:
        return Layout(self.root, WORKLOAD)


def typed(root: Path, *arguments: str) -> dict[str, Any]:
    """What ``medpipe ARGUMENTS`` printed; its exit status was 0."""
    done = CliRunner().invoke(
        cli.main_group, ["--root", str(root), *arguments], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def promoted(trained, tmp_path_factory):
    root = quick_project.copy_of(
        trained, tmp_path_factory.mktemp("promoted") / "Lunge, zweite Prüfung"
    )
    quick_project.set_params(root, {"gate": {"floors": {"auroc": 0.999}}})
    refused = typed(root, "promote", WORKLOAD)
    quick_project.set_params(root, {})
    allowed, again = (typed(root, "promote", WORKLOAD) for _ in range(2))
    return Promoted(root, refused, allowed, again)


def test_the_report_is_whole_and_fits_what_was_scored(trained):
    layout = Layout(trained, WORKLOAD)
    report = json.loads(layout.report.read_text("utf-8"))
    scores = pd.read_parquet(layout.evaluation / "scores.parquet")
    counted = scores.groupby("split")["group"].agg(["size", "nunique"])
    for split in ("val", "test"):
        found = report["splits"][split]
        assert [found["examples"], found["groups"]] == counted.loc[split].tolist()
    assert report["receipt"]["clean"]
    assert report["validation"]["passed"]


def test_the_page_is_whole_and_loads_nothing_from_elsewhere(trained):
    page = (Layout(trained, WORKLOAD).evaluation / "report.html").read_text("utf-8")
    assert page.rstrip().endswith("</html>")
    assert "data:image/png;base64," in page
    assert 'src="http' not in page
    assert 'href="http' not in page


def test_every_plot_and_metric_of_dvc_is_there(trained):
    evaluation = Layout(trained, WORKLOAD).evaluation
    assert json.loads((evaluation / "metrics.json").read_text("utf-8"))["auroc"] > 0
    for name in ("roc", "pr", "calibration", "decision_curve", "confusion"):
        rows = list(csv.reader((evaluation / "curves" / f"{name}.csv").open(encoding="utf-8")))
        assert len(rows) > 2, name
        assert (evaluation / "plots" / f"{name}.svg").read_text("utf-8").startswith("<svg"), name


def test_a_refusal_is_a_result_with_its_reasons(promoted):
    assert promoted.refused["allowed"] is False
    assert promoted.refused["champion"] is None
    assert promoted.refused["reasons"]
    assert "0.999" in promoted.refused["reasons"][0]


def test_the_model_that_is_champion_already_stays_so(promoted):
    assert promoted.allowed["allowed"], promoted.allowed["reasons"]
    assert promoted.again["summary"] == "already champion; nothing changed"
    assert promoted.again["certificate"] == promoted.allowed["certificate"]


def test_an_alias_moved_by_hand_is_told_and_set_right(promoted):
    assert typed(promoted.root, "status", WORKLOAD)["fits"]
    client = store.client(promoted.layout)
    client.delete_registered_model_alias(WORKLOAD, "champion")
    told = typed(promoted.root, "status", WORKLOAD)
    assert not told["fits"]
    assert "champion" in told["problems"][0]
    assert "set right" in typed(promoted.root, "promote", WORKLOAD)["notes"][0]
    assert typed(promoted.root, "status", WORKLOAD)["fits"]


def asked(promoted, content):
    """What the service says of `content`."""
    app = api.create(
        lambda: catalogue.at(promoted.root),
        recorder=lambda: recorder.at(promoted.root),
        page=promoted.root / "service" / "page.html",
    )
    with TestClient(app) as client:
        kind = {"Content-Type": "application/dicom"}
        return client.post(f"/v1/{WORKLOAD}?explain=true", content=content, headers=kind).json()


def test_the_service_answers_an_upload_as_the_evaluation_did(promoted):
    layout = promoted.layout
    scores = pd.read_parquet(layout.evaluation / "scores.parquet").set_index("example")
    example = scores.index[scores["split"] == "test"][0]
    kept = Raw(layout.raw, get(WORKLOAD).columns).rows(["original"], {example})[example]
    answer = asked(promoted, kept["original"])
    assert answer["risk"] == pytest.approx(scores.loc[example, "probability"], abs=1e-6)
    assert answer["certificate_sha256"] == promoted.allowed["certificate"]
    assert answer["explanation"]["picture"]


def test_an_answer_is_traced_to_its_run_commit_data_and_patients(promoted):
    layout, ready = promoted.layout, Ready(promoted.layout.ready)
    found = typed(promoted.root, "trace", an_answer(promoted), "--patients")
    assert (found["answer"]["genuine"], found["missing"]) == (True, [])
    assert found["model"]["certificate"] == promoted.allowed["certificate"]
    assert found["model"]["signature"] == "good"
    assert found["code"] == {"commit": str(lineage.commit(promoted.root)), "is_here": True}
    assert found["run"]["tags"]["medpipe.imported_from"] == found["model"]["run_id"]
    assert found["data"]["raw_version"] == Raw(layout.raw, get(WORKLOAD).columns).version()
    assert found["split"]["counts"] == ready.receipt["counts"]
    for side in ("train", "val"):
        assert found["patients"]["pseudonyms"][side] == sorted(set(ready.frame(side)["group"]))


def test_without_ready_the_patients_are_found_by_the_rule_and_raw(promoted):
    whole = typed(promoted.root, "trace", an_answer(promoted), "--patients")
    away = promoted.layout.ready.rename(promoted.layout.ready.with_name("away"))
    try:
        found = typed(promoted.root, "trace", an_answer(promoted), "--patients")
    finally:
        away.rename(promoted.layout.ready)
    assert found["patients"] == {**whole["patients"], "found_in": "raw"}
    assert "receipt.json is not there" in found["missing"][0]


def an_answer(promoted):
    """The id of an answer of the champion."""
    kept = next(Raw(promoted.layout.raw, get(WORKLOAD).columns).batches(["original"], 1))
    return asked(promoted, kept[0]["original"])["answer_id"]


def test_what_was_rolled_back_comes_back_only_by_a_person(promoted):
    root = promoted.root
    quick_project.set_params(root, {"evaluate": {"threshold": {"rule": "youden"}}})
    typed(root, "stage", "evaluate", WORKLOAD)
    before = an_answer(promoted)
    second = typed(root, "promote", WORKLOAD)
    assert second["allowed"], second["reasons"]
    traced = typed(root, "trace", before)
    assert traced["model"]["certificate"] == promoted.allowed["certificate"]
    assert traced["model"]["found_in"].startswith("the registry at")
    back = typed(root, "rollback", WORKLOAD, "--reason", "too many alarms")
    assert back["certificate"] == promoted.allowed["certificate"]
    refused = typed(root, "promote", WORKLOAD)
    assert refused["reasons"] == ["Version 2 was rolled back; only a person may promote it again"]
    approved = typed(root, "promote", WORKLOAD, "--approver", "Dr Night")
    assert approved["champion"] == second["champion"]
    assert typed(root, "status", WORKLOAD)["approver"] == "Dr Night"


def test_nothing_that_identifies_a_patient_is_in_any_file(promoted, trained):
    source = trained / "data" / WORKLOAD / "source"
    sought = planted.planted(source)
    assert len(sought.found_in(next(source.rglob("*.dcm")))) > 5, "the search must be able to find"
    # The copy holds all that the stages made but their MLflow store and their log.
    there = planted.written_by_a_run(promoted.root, WORKLOAD)
    here = planted.written_by_a_run(trained, WORKLOAD, places=(".medpipe", "run.log"))
    assert {path: hits for path in (*there, *here) if (hits := sought.found_in(path))} == {}
