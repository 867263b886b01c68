"""Three workloads in one project: what one of them changes, the others do not notice."""

from __future__ import annotations

import json

import pytest
import quick_project
from quick_project import WORKLOAD, run

from medpipe import stages, workloads

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SMALL = {
    **quick_project.QUICK,
    "source": {"name": "sample", "patients": 160},
    "ingest": {},
    "preprocess": {},
    "train": {"epochs": 1, "batch_size": 32, "device": "cpu", "threads": 1},
}
OTHERS = {
    "icu_mortality": SMALL | {"model": {"hidden": 8, "summary": 8}},
    "readmission": SMALL | {"model": {"width": 8, "embedding": 2}},
}
LOOKS = [f"ingest@{name}" for name in (WORKLOAD, *OTHERS)]


@pytest.fixture(scope="module")
def project(reproduced, tmp_path_factory):
    """One workload is made; two are added to params.yaml, and to nothing else."""
    root = quick_project.copy_of(reproduced, tmp_path_factory.mktemp("three") / "project")
    quick_project.set_params(root, {}, others=OTHERS)
    return root


def reproduced_stages(root) -> list[str]:
    told = run("dvc", "repro", cwd=root).stdout
    return [line.split("'")[1] for line in told.splitlines() if line.startswith("Running stage")]


def test_a_change_of_one_workload_runs_that_workloads_stages_alone(project):
    added = reproduced_stages(project)
    assert sorted(added) == sorted(
        LOOKS + [f"{stage}@{name}" for stage in stages.NAMES[1:] for name in OTHERS]
    )
    changed = OTHERS["readmission"] | {"train": SMALL["train"] | {"epochs": 2}}
    quick_project.set_params(project, {}, others=OTHERS | {"readmission": changed})
    after = ("train", "export", "evaluate")
    assert reproduced_stages(project) == LOOKS + [f"{stage}@readmission" for stage in after]
    assert reproduced_stages(project) == LOOKS
    status = json.loads(run("dvc", "status", "--json", cwd=project).stdout)
    assert status == {look: ["always changed"] for look in LOOKS}


def test_every_workload_shows_metrics_and_pictures_though_dvc_yaml_names_none(project):
    text = (project / "dvc.yaml").read_text("utf-8")
    assert not [name for name in workloads.names() if name in text.partition("stages:")[2]]
    (metrics,) = json.loads(run("dvc", "metrics", "show", "--json", cwd=project).stdout).values()
    plots = json.loads(run("dvc", "plots", "show", "--json", cwd=project).stdout)
    assert "errors" not in plots
    for name in (WORKLOAD, *OTHERS):
        assert f"reports/{name}/evaluate/metrics.json" in metrics["data"]
        pictures = [path for path in plots["data"] if path.startswith(f"reports/{name}/")]
        assert len(pictures) == 7
