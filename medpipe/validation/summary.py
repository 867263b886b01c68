"""Counts of the columns that identify nobody, for the page: never a value of one example."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from medpipe.workload import Column, Workload

FEW = 5
"""Fewer examples than this in one bar are not counted out: a rare value may point to a person."""
_BINS = 20


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram: what it stands for, and how many examples; None for one to four."""

    name: str
    count: int | None


@dataclass(frozen=True)
class ColumnSummary:
    """What the page says of one column.

    Parameters
    ----------
    missing : share of the examples without a value, 0…1
    bars : empty for a column whose values are not shown: pseudonyms, dates, hashes, free text, and
        numbers without a declared range
    """

    column: Column
    missing: float
    bars: tuple[Bar, ...]


def of(frame: pd.DataFrame, workload: Workload) -> list[ColumnSummary]:
    """A summary of every small column of raw.

    Parameters
    ----------
    frame : (N, columns)
    """
    return [
        ColumnSummary(
            column,
            float(frame[column.name].isna().mean()) if len(frame) else 0.0,
            _bars(frame[column.name].dropna(), column),
        )
        for column in workload.columns
        if not column.content
    ]


def _bars(values: pd.Series, column: Column) -> tuple[Bar, ...]:
    """Bars over what the column declares, so that not even the axis depends on an example."""
    if column.values:
        return tuple(Bar(name, _counted(int((values == name).sum()))) for name in column.values)
    if column.dtype == "bool":
        return tuple(
            Bar(name, _counted(int((values == value).sum())))
            for name, value in (("no", False), ("yes", True))
        )
    if column.dtype not in ("int", "float") or column.low is None or column.high is None:
        return ()
    names, edges = _bins(column.low, column.high, whole=column.dtype == "int")
    counts, _ = np.histogram(values.to_numpy(dtype=np.float64), bins=edges)
    return tuple(
        Bar(f"{name} {column.unit}".rstrip(), _counted(int(count)))
        for name, count in zip(names, counts, strict=True)
    )


def _bins(low: float, high: float, *, whole: bool) -> tuple[list[str], np.ndarray]:
    """Names and edges of at most 20 bins over [low, high]; few whole numbers have one each."""
    if whole and high - low < _BINS:
        numbers = np.arange(low, high + 1)
        return [f"{n:g}" for n in numbers], np.append(numbers, high + 1) - 0.5
    edges = np.linspace(low, high, _BINS + 1)
    return [f"{a:g}–{b:g}" for a, b in pairwise(edges)], edges


def _counted(count: int) -> int | None:
    return count if count == 0 or count >= FEW else None
