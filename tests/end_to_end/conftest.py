"""One project, taken through all stages once for the whole test run."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import quick_project

from medpipe import files, stages


@pytest.fixture(scope="module", autouse=True)
def shell():
    """The environment of a person's shell: one pseudonym key, no store but the project's own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in quick_project.FOREIGN & os.environ.keys():
            patch.delenv(name)
        patch.setenv("MEDPIPE_PSEUDONYM_KEY", quick_project.KEY)
        yield


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A project whose stages have all run. To be looked at, never changed: see `copy_of`."""
    return _once(tmp_path_factory, "trained", _run_stages)


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory) -> Path:
    """A fresh project after ``dvc repro``. To be looked at, never changed: see `copy_of`."""
    return _once(
        tmp_path_factory, "reproduced", lambda root: quick_project.run("dvc", "repro", cwd=root)
    )


def _once(factory: pytest.TempPathFactory, name: str, work: Callable[[Path], object]) -> Path:
    """A new project on which `work` was done, once for all of xdist's workers."""
    base = factory.getbasetemp()
    # Below xdist all workers share the folder above their own.
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    root = shared / "Röntgen Süd 胸部" / name
    with files.locked(shared / f"{name}.lock"):
        if not (whole := shared / f"{name}.whole").exists():
            shutil.rmtree(root, ignore_errors=True)
            work(quick_project.make(root))
            whole.touch()
    return root


def _run_stages(root: Path) -> None:
    """Every stage, in this process; what is logged on the way goes to ``run.log``."""
    handler = logging.FileHandler(root / "run.log")
    logging.getLogger().addHandler(handler)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MEDPIPE_PSEUDONYM_KEY", quick_project.KEY)
            for name in quick_project.FOREIGN & os.environ.keys():
                patch.delenv(name)
            for name in stages.NAMES:
                stages.run(name, quick_project.WORKLOAD, root=root)
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
