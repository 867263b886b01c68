"""What DVC promises: only what changed is done again, and another machine gets what is made."""

from __future__ import annotations

import json
import re
from pathlib import Path

import planted
import pytest
import quick_project
from quick_project import WORKLOAD, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(reproduced, tmp_path_factory):
    return quick_project.copy_of(reproduced, tmp_path_factory.mktemp("dvc") / "Ein Projekt")


def stages_that_ran(told: str) -> list[str]:
    return [line.split("'")[1] for line in told.splitlines() if line.startswith("Running stage")]


def test_a_second_run_has_a_look_at_the_source_and_does_nothing_else(project):
    told = run("dvc", "repro", cwd=project).stdout
    assert stages_that_ran(told) == [f"ingest@{WORKLOAD}"]
    assert '"new": 0' in told


def test_metrics_and_plots_show_what_was_measured(project):
    (shown,) = json.loads(run("dvc", "metrics", "show", "--json", cwd=project).stdout).values()
    (metrics,) = shown["data"].values()
    measured = quick_project.model(project)["splits"]["test"]["metrics"]
    assert metrics["data"]["auroc"] == pytest.approx(measured["auroc"]["value"], abs=1e-4)


def test_plots_are_pictures_on_a_page_that_needs_no_internet(project):
    run("dvc", "plots", "show", "-o", "plots", cwd=project)
    page = (project / "plots" / "index.html").read_text("utf-8")
    shown = re.findall(r'<img src="(static/[^"]+)"', page)
    assert "http" not in page
    assert all((project / "plots" / picture).is_file() for picture in shown)
    drawn = {"roc", "pr", "calibration", "confusion", "decision_curve", "loss", "score"}
    assert {
        Path(picture).stem.split("_plots_")[-1].split("_train_")[-1] for picture in shown
    } == drawn


def test_curves_of_two_commits_can_be_laid_over_each_other(project):
    """As the README says; the page of this one does load what draws it."""
    curve = f"reports/{WORKLOAD}/evaluate/curves/roc.csv"
    axes = ("-x", "false_positive_share", "-y", "true_positive_share")
    told = run("dvc", "plots", "show", "--json", curve, *axes, cwd=project).stdout
    (drawn,) = json.loads(told)["data"][curve]
    values = drawn["content"]["data"]["values"]
    assert [values[0]["true_positive_share"], values[-1]["true_positive_share"]] == ["0", "1"]


def test_a_second_clone_pulls_the_model_and_trains_nothing(project, tmp_path):
    run("dvc", "remote", "add", "-f", "-d", "shelf", str(tmp_path / "shelf"), cwd=project)
    run("dvc", "push", cwd=project)
    quick_project.commit(project, "A remote and what was made")
    clone = tmp_path / "Zweiter Klon"
    run("git", "clone", "-q", str(project), str(clone), cwd=tmp_path)
    run("dvc", "pull", cwd=clone)
    assert quick_project.model(clone) == quick_project.model(project)
    # The invented source is made anew there: its files are looked at again, and say the same.
    told = run("dvc", "repro", cwd=clone).stdout
    assert '"new": 0' in told
    assert not {f"train@{WORKLOAD}", f"export@{WORKLOAD}"} & set(stages_that_ran(told))
    verdict = quick_project.medpipe("promote", WORKLOAD, cwd=clone)
    assert verdict["allowed"], verdict["reasons"]


def test_nothing_that_identifies_a_patient_is_in_dvcs_cache(project):
    sought = planted.planted(project / "data" / WORKLOAD / "source")
    cached = [path for path in (project / ".dvc" / "cache").rglob("*") if path.is_file()]
    assert len(cached) > 10
    assert {path: hits for path in cached if (hits := sought.found_in(path))} == {}
