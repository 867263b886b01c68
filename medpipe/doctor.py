"""Is this machine, and this project, fit to run medpipe? Checks that change nothing."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from medpipe import config, draft, workloads
from medpipe.errors import MedpipeError
from medpipe.telemetry import OFF

DISK_GIB = 5
"""Less free space than this is worth a word: one training with its cache takes about 2 GiB."""


@dataclass(frozen=True)
class Check:
    """One question and its answer."""

    name: str
    passed: bool
    found: str

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def examine(root: Path) -> list[Check]:
    """All checks of the project at `root`, in the order in which one would mend them."""
    questions: list[Callable[[Path], Check]] = [
        _python, _packages, _telemetry, _writable, _disk, _git, _dvc, _params, _facts,
    ]  # fmt: skip
    return [ask(root) for ask in questions]


def _python(_: Path) -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Check("python", (3, 11) <= sys.version_info[:2] < (3, 13), f"{version}; 3.11 or 3.12")


def _packages(_: Path) -> Check:
    wanted = ("torch", "prefect", "mlflow", "dvc", "great-expectations", "bentoml", "onnxruntime")
    found, missing = [], []
    for name in wanted:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    mend = f"; missing: {', '.join(missing)}: pip install 'medpipe[pipeline]'" if missing else ""
    return Check("packages", not missing, ", ".join(found) + mend)


def _telemetry(_: Path) -> Check:
    on = [name for name, value in OFF.items() if config.environment(name) != value]
    return Check("telemetry off", not on, f"not off: {', '.join(on)}" if on else "all switches set")


def _writable(root: Path) -> Check:
    return Check("project writable", os.access(root, os.W_OK), str(root))


def _disk(root: Path) -> Check:
    free = shutil.disk_usage(root).free / 2**30
    return Check("disk", free >= DISK_GIB, f"{free:.1f} GiB free; {DISK_GIB} GiB wanted")


def _git(root: Path) -> Check:
    there = any((folder / ".git").exists() for folder in [root, *root.parents])
    return Check("git", there, "found" if there else "no repository: git init, for lineage and DVC")


def _dvc(root: Path) -> Check:
    there = (root / ".dvc").is_dir() and (root / "dvc.yaml").is_file()
    return Check(
        "dvc", there, "found" if there else "no .dvc or dvc.yaml: run in a medpipe project"
    )


def _params(root: Path) -> Check:
    try:
        names = config.workload_names(root)
        for name in names:
            config.load(root, workloads.get(name))
    except MedpipeError as error:
        return Check("params.yaml", False, str(error))
    return Check("params.yaml", True, f"workloads: {', '.join(names)}")


def _facts(_: Path) -> Check:
    found = {name: draft.unfilled(workloads.get(name)) for name in workloads.names()}
    told = [f"{name}: {', '.join(facts)}" for name, facts in found.items() if facts]
    return Check(
        "facts of workloads",
        not told,
        f"still to be written in the workload's file: {'; '.join(told)}" if told else "all written",
    )
