"""Counts of the columns that identify nobody, for the page: never a value of one example."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from medpipe.columns import Column
from medpipe.workload import Workload

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


class Summary:
    """Counts of every small column, from frames of raw that are seen once, one after the other."""

    def __init__(self, workload: Workload) -> None:
        self._columns = [column for column in workload.columns if not column.content]
        self._missing: Counter[str] = Counter()
        self._counts: dict[str, np.ndarray] = {}
        self._rows = 0

    def add(self, frame: pd.DataFrame) -> None:
        """Take in `frame` (N, columns)."""
        self._rows += len(frame)
        for column in self._columns:
            values = frame[column.name].dropna()
            self._missing[column.name] += len(frame) - len(values)
            if (counts := _counts(values, column)) is not None:
                before = self._counts.get(column.name)
                self._counts[column.name] = counts if before is None else before + counts

    def columns(self) -> list[ColumnSummary]:
        """A summary of each, in the order of raw."""
        return [
            ColumnSummary(
                column,
                self._missing[column.name] / self._rows if self._rows else 0.0,
                tuple(
                    Bar(name, _counted(int(count)))
                    for name, count in zip(
                        _names(column), self._counts.get(column.name, ()), strict=False
                    )
                ),
            )
            for column in self._columns
        ]


def _counts(values: pd.Series, column: Column) -> np.ndarray | None:
    """Examples in each bar of `column`; None for a column whose values are not shown.

    Bars are over what the column declares, so that not even the axis depends on an example.
    """
    if column.values:
        return values.value_counts().reindex(list(column.values), fill_value=0).to_numpy()
    if column.dtype == "bool":
        return np.array([(values == value).sum() for value in (False, True)])
    if column.dtype not in ("int", "float") or column.low is None or column.high is None:
        return None
    _, edges = _bins(column.low, column.high, whole=column.dtype == "int")
    counts, _ = np.histogram(values.to_numpy(dtype=np.float64), bins=edges)
    return np.asarray(counts)


def _names(column: Column) -> list[str]:
    """What the bars of `column` stand for."""
    if column.values:
        return list(column.values)
    if column.dtype == "bool":
        return ["no", "yes"]
    if column.dtype not in ("int", "float") or column.low is None or column.high is None:
        return []
    names, _ = _bins(column.low, column.high, whole=column.dtype == "int")
    return [f"{name} {column.unit}".rstrip() for name in names]


def _bins(low: float, high: float, *, whole: bool) -> tuple[list[str], np.ndarray]:
    """Names and edges of at most 20 bins over [low, high]; few whole numbers have one each."""
    if whole and high - low < _BINS:
        numbers = np.arange(low, high + 1)
        return [f"{n:g}" for n in numbers], np.append(numbers, high + 1) - 0.5
    edges = np.linspace(low, high, _BINS + 1)
    return [f"{a:g}–{b:g}" for a, b in pairwise(edges)], edges


def _counted(count: int) -> int | None:
    return count if count == 0 or count >= FEW else None
