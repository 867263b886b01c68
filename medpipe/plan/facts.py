"""What the plan wants to know of raw: counts and times, of small columns alone."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd

from medpipe.config import Params
from medpipe.paths import Layout
from medpipe.plan.check import DataFacts
from medpipe.tables.raw import Raw
from medpipe.workload import Workload


def of(workload: Workload, params: Params, layout: Layout) -> DataFacts:
    """The facts of raw as it lies in the project.

    Raises
    ------
    MissingStageError : nothing was ingested yet
    """
    labelled, earliest, latest = 0, None, None
    for frame in Raw(layout.raw, workload.columns).frames([workload.label, "time"]):
        labelled += int(frame[workload.label].notna().sum())
        times = frame["time"].dropna()
        if len(times):
            earliest = min(filter(None, (earliest, _day(times.min()))))
            latest = max(filter(None, (latest, _day(times.max()))))
    return DataFacts(params.source.name, labelled, earliest, latest)


def _day(time: Any) -> date:
    return pd.Timestamp(time).date()
