"""A disk that is full, or may not be written: a clear error, nothing lost, and on it goes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import quick_project
from quick_project import WORKLOAD

pytestmark = pytest.mark.slow

DISK_MIB = 96
WRITTEN_BY = {
    "ingest": ("data/chest_xray/raw", ".medpipe/quarantine"),
    "validate": ("reports/chest_xray/validate",),
    "preprocess": ("data/chest_xray/ready",),
    "train": ("models/chest_xray/weights", ".medpipe/checkpoints"),
    "export": ("models/chest_xray/onnx",),
    "evaluate": ("reports/chest_xray/evaluate",),
}


def mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"this user may not mount a file system: {done.stderr.strip()}")


@pytest.fixture
def disk(trained, tmp_path):
    """A small disk of its own, with a copy of the trained project on it."""
    place = tmp_path / "disk"
    place.mkdir()
    mount("-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(place))
    try:
        yield quick_project.copy_of(trained, place / "project")
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(root: Path, *, free_kib: int) -> Path:
    """A file that leaves `free_kib` of the disk."""
    filler = root.parent / "filler"
    left = shutil.disk_usage(root).free - free_kib * 1024
    with filler.open("wb") as file:
        file.truncate(0)
        file.write(b"\1" * left)
    return filler


def refused(root: Path, *command: str) -> str:
    """The one line that a person gets for a command that cannot do its work."""
    done = quick_project.run("medpipe", *command, cwd=root, status=1)
    assert "Traceback" not in done.stderr
    told = done.stderr.splitlines()[-1]
    assert told.startswith("medpipe: cannot write ")
    return told


@pytest.mark.parametrize("name", WRITTEN_BY)
def test_a_full_disk_is_told_and_the_same_command_goes_on_after(disk, name):
    for written in WRITTEN_BY[name]:
        shutil.rmtree(disk / written, ignore_errors=True)
    # Enough to begin; MLflow's new database alone is 1 MiB, and comes before the weights.
    filler = fill(disk, free_kib=1300 if name == "train" else 16)
    assert "the disk is full; free some space" in refused(disk, "stage", name, WORKLOAD)
    assert not (disk / WRITTEN_BY[name][0]).exists()
    filler.unlink()
    quick_project.stage(name, disk)
    assert (disk / WRITTEN_BY[name][0]).is_dir()


def test_a_disk_that_is_full_before_mlflow_has_a_database_breaks_none(disk):
    filler = fill(disk, free_kib=160)
    assert "the disk is full" in refused(disk, "promote", WORKLOAD)
    filler.unlink()
    assert quick_project.medpipe("promote", WORKLOAD, cwd=disk)["allowed"]


def test_a_disk_that_fills_during_promotion_leaves_no_half_champion(disk):
    quick_project.medpipe("status", WORKLOAD, cwd=disk)  # makes MLflow's database
    filler = fill(disk, free_kib=64)
    assert "the disk is full" in refused(disk, "promote", WORKLOAD)
    filler.unlink()
    assert quick_project.medpipe("promote", WORKLOAD, cwd=disk)["allowed"]
    assert quick_project.medpipe("status", WORKLOAD, cwd=disk)["fits"]


def test_a_full_disk_stops_the_main_job_before_it_begins(disk):
    fill(disk, free_kib=64)
    assert "the disk is full" in refused(disk, "run", WORKLOAD)


@pytest.mark.parametrize(
    "command",
    [("stage", "ingest"), ("stage", "preprocess"), ("stage", "train"), ("promote",), ("run",)],
    ids=" ".join,
)
def test_a_read_only_project_is_told(disk, command):
    if "ingest" in command:  # with nothing new it would write nothing
        shutil.rmtree(disk / "data" / WORKLOAD / "raw")
    mount("-o", "remount,ro", str(disk.parent))
    told = refused(disk, *command, WORKLOAD)
    assert "the file system is read-only; use a project folder that can be written" in told
