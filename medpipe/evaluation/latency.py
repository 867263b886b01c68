"""How long one example takes as it is served: from what lies in raw to a logit."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from medpipe.workload import Row, State, Workload

_WARM_UP = 3
"""Runs that fill caches and are not counted."""


def latency(
    workload: Workload,
    state: State,
    rows: Sequence[Row],
    score: Callable[[Mapping[str, np.ndarray]], np.ndarray],
    *,
    runs: int,
) -> dict[str, Any]:
    """Median and 95th percentile of encoding and scoring one row, ms.

    Parameters
    ----------
    rows : of raw, content included; taken in turn. None at all gives None for the times
    score : inputs (1, …) → logit (1,), with the threads that the service will have

    Returns
    -------
    {p50, p95, runs}, ms
    """
    if not rows:
        return {"p50": None, "p95": None, "runs": 0}
    times = []
    for run in range(runs + _WARM_UP):
        row = rows[run % len(rows)]
        started = time.perf_counter()
        score({name: array[None] for name, array in workload.encode(row, state).items()})
        times.append(1000 * (time.perf_counter() - started))
    p50, p95 = np.percentile(times[_WARM_UP:], [50, 95])
    return {"p50": round(float(p50), 3), "p95": round(float(p95), 3), "runs": runs}
