"""One project, taken through all stages once for the whole test run."""

from __future__ import annotations

import logging
import os
import shutil
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
    base = tmp_path_factory.getbasetemp()
    # Below xdist all workers share the folder above their own.
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    root = shared / "Röntgen Süd 胸部" / "trained"
    with files.locked(shared / "trained.lock"):
        if not (root / "whole").exists():
            shutil.rmtree(root, ignore_errors=True)
            _run_stages(quick_project.make(root))
            (root / "whole").touch()
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
