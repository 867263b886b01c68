"""kill -9, at any moment: nothing half-written is taken for whole, and the next run goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import quick_project
from quick_project import WORKLOAD, end, run, stage, start, wait_for

from medpipe import files
from medpipe.paths import Layout

pytestmark = pytest.mark.slow

LONG = {"train": {"epochs": 30, "batch_size": 8}}
WEIGHTS = f"models/{WORKLOAD}/weights/weights.safetensors"


def test_a_killed_dvc_repro_goes_on_and_ends_with_the_same_weights(reproduced, tmp_path):
    whole, killed = (quick_project.copy_of(reproduced, tmp_path / n) for n in ("whole", "killed"))
    for root in (whole, killed):
        quick_project.set_params(root, LONG)
    stage("train", whole)
    checkpoints = Layout(killed, WORKLOAD).checkpoints
    process = start("dvc", "repro", cwd=killed, log=tmp_path / "log")
    wait_for(lambda: list(checkpoints.rglob("[0-9]*-*.pt")), process=process, s=120)
    end(process)
    assert not (killed / WEIGHTS).exists()
    told = run("dvc", "repro", cwd=killed)
    assert "resumed after epoch" in told.stderr
    assert files.sha256(killed / WEIGHTS) == files.sha256(whole / WEIGHTS)


@pytest.mark.parametrize(
    "name", ["ingest", "validate", "preprocess", "train", "export", "evaluate"]
)
def test_a_killed_stage_leaves_what_was_there_or_nothing(name, trained, tmp_path):
    root = quick_project.copy_of(trained, tmp_path / "project")
    layout = Layout(root, WORKLOAD)
    place = {
        "ingest": layout.raw,
        "validate": layout.validation,
        "preprocess": layout.ready,
        "train": layout.weights,
        "export": layout.onnx,
        "evaluate": layout.evaluation,
    }[name]
    if name in ("ingest", "validate"):  # with nothing new they would write nothing
        shutil.rmtree(place)
    before = digests(place)
    process = start("medpipe", "stage", name, WORKLOAD, cwd=root, log=tmp_path / "log")
    watched = layout.raw_next if name == "ingest" else place.parent
    wait_for(lambda: list(watched.glob(".partial-*")), process=process, s=120)
    end(process)
    assert digests(place) == before or not place.exists()
    stage(name, root)
    names = {
        path.relative_to(trained / place.relative_to(root))
        for path in written(trained, place, root)
    }
    assert {path.relative_to(place) for path in place.rglob("*") if path.is_file()} == names
    assert not list(place.parent.glob(".partial-*"))


def digests(folder: Path) -> dict[str, str]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): files.sha256(path) for path in found}


def written(trained: Path, place: Path, root: Path) -> list[Path]:
    """The files that the same stage wrote without a kill."""
    return [path for path in (trained / place.relative_to(root)).rglob("*") if path.is_file()]
