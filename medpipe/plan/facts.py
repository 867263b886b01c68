"""What the plan wants to know of the data: counts and times of raw, and what monitoring found."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd

from medpipe import files
from medpipe.config import Params
from medpipe.paths import Layout
from medpipe.plan.check import DataFacts
from medpipe.tables.raw import Raw
from medpipe.workload import Workload

LOOK = "look-at-data"
"""The advice of `monitoring.verdict` on which nothing may be learned."""


def of(
    workload: Workload, params: Params, layout: Layout, *, champion: str | None = None
) -> DataFacts:
    """The facts of raw as it lies in the project.

    Parameters
    ----------
    champion : digest of its certificate; what monitoring found of another no longer counts

    Raises
    ------
    MissingStageError : nothing was ingested yet
    """
    labelled, earliest, latest = 0, None, None
    raw = Raw(layout.raw, workload.columns)
    for frame in raw.frames([workload.label, "time"]):
        labelled += int(frame[workload.label].notna().sum())
        times = frame["time"].dropna()
        if len(times):
            earliest = min(filter(None, (earliest, _day(times.min()))))
            latest = max(filter(None, (latest, _day(times.max()))))
    found = None
    if champion is not None and layout.verdict.is_file():
        found = files.read_json(layout.verdict, made_by=f"medpipe monitor {workload.name}")
    doubts = tuple(filter(None, [doubt(found, champion)]))
    return DataFacts(
        params.source.name, labelled, earliest, latest, parts=raw.number, doubts=doubts
    )


def doubt(found: Mapping[str, Any] | None, champion: str | None) -> str | None:
    """Why nothing should be learned from the data that monitoring `found`; None where it may.

    A mix of patients that has moved, and nothing else, casts no doubt.
    """
    if found is None or found["certificate"] != champion or found["action"] != LOOK:
        return None
    is_worse = any(one["worse"] for one in found["performance"])
    is_silent = any(fact["kind"] == "not stated" and fact["lasting"] for fact in found["facts"])
    if not (is_worse or is_silent):
        return None
    return f"medpipe monitor advises to look at the data: {found['reasons'][0]}"


def _day(time: Any) -> date:
    return pd.Timestamp(time).date()
