"""`medpipe tune` as a person types it, on a project whose stages have run."""

from __future__ import annotations

import pytest
import quick_project
import yaml
from quick_project import WORKLOAD, medpipe, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(trained, tmp_path_factory):
    return quick_project.copy_of(trained, tmp_path_factory.mktemp("tune") / "project")


def test_two_processes_search_and_the_best_is_in_params_yaml_only_when_asked_for(root):
    before = (root / "params.yaml").read_text(encoding="utf-8")
    told = run("medpipe", "tune", WORKLOAD, "--trials", "3", "--processes", "2", cwd=root)
    assert "3 of 3 done" in told.stderr
    assert "--apply writes it into params.yaml" in told.stderr
    assert (root / "params.yaml").read_text(encoding="utf-8") == before
    found = medpipe("tune", WORKLOAD, "--show", "--apply", cwd=root)
    assert found["trials"] == {"complete": 3}
    assert found["applied"]
    section = yaml.safe_load((root / "params.yaml").read_text("utf-8"))["workloads"][WORKLOAD]
    for name, value in found["best"]["values"].items():
        part, key = name.split(".")
        assert section[part][key] == value
    assert section["source"] == quick_project.QUICK["source"]


def test_what_a_search_changes_is_read_by_the_next_training(root):
    best = medpipe("tune", WORKLOAD, "--trials", "2", "--apply", cwd=root)["best"]
    outcome = medpipe("stage", "train", WORKLOAD, cwd=root)
    assert outcome["val_auroc"] == pytest.approx(best["score"], abs=1e-4)


def test_a_project_without_ready_is_told_which_stage_to_run(tmp_path):
    root = quick_project.make(tmp_path / "project")
    told = run("medpipe", "tune", WORKLOAD, "--trials", "1", cwd=root, status=1)
    assert "medpipe stage preprocess" in told.stderr
    assert "Traceback" not in told.stderr
