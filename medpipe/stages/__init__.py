"""The stages, and the one door to them for the command line and DVC."""

from __future__ import annotations

import importlib
import logging
import time
from pathlib import Path
from typing import Any

from medpipe.errors import ParamsError
from medpipe.outcome import told
from medpipe.project import open_workload

NAMES = ("ingest", "validate", "preprocess", "train", "export", "evaluate")
"""In the order of the data. Each is a module here with a function of the same name."""

_log = logging.getLogger(__name__)


def run(stage: str, workload: str, *, root: Path) -> dict[str, Any]:
    """Run one stage of one workload in the project at `root`, and return its outcome.

    Raises
    ------
    ParamsError : no such stage or workload, or wrong parameters
    MedpipeError : what the stage refuses; its text says what to do
    """
    if stage not in NAMES:
        raise ParamsError(f"no stage is called {stage!r}; there are: {', '.join(NAMES)}")
    import pyarrow as pa  # delayed: the help of the command line has no use for it

    # Arrow's own allocator keeps what was freed, the more of it the longer parts are read.
    pa.set_memory_pool(pa.system_memory_pool())
    opened = open_workload(workload, root)
    function = getattr(importlib.import_module(f"{__name__}.{stage}"), stage)
    started = time.perf_counter()
    _log.info("%s %s: start", stage, workload)
    outcome: dict[str, Any] = function(opened.workload, opened.params, opened.layout)
    took = time.perf_counter() - started
    _log.info("%s %s: done in %.1f s: %s", stage, workload, took, told(outcome))
    return outcome
