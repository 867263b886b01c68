"""What is measured of each objective. One module each, whose class is `Measured`."""

from __future__ import annotations

import importlib
from typing import Any

from medpipe import objectives
from medpipe.evaluation.measures.contract import Measures
from medpipe.objectives.objective import Rows
from medpipe.workload import Workload


def of(workload: Workload, train: Rows | None = None) -> Measures[Any]:
    """The measurements of `workload`'s objective; `train` and errors as in `objectives.of`."""
    objective = objectives.of(workload, train)
    module = importlib.import_module(f"{__name__}.{objective.name}")
    measured: Measures[Any] = module.Measured(objective)
    return measured
