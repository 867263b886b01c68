"""What a column of raw is: the only place where its unit, its range and its meaning are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

Dtype = Literal["str", "category", "int", "float", "bool", "date", "bytes", "series"]
"""``series`` is a list of (hour, value) pairs, hours since the example begins."""


@dataclass(frozen=True)
class Column:
    """One column of raw, and the only place where its unit and range are written.

    The Parquet schema, the standard expectations, the data dictionary and the limits of a request
    are all derived from here.
    """

    name: str
    dtype: Dtype
    meaning: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()
    nullable: bool = True
    subgroup: bool = False
    """Whether the report is broken down by this column."""
    compared: bool = False
    """Whether groups are only compared by it: it is never an input of a model."""
    span_h: float | None = None
    """Of a series: measurements lie in the hours 0 to this."""
    computed: bool = False
    """Whether `Workload.read` makes it out of the others, so that a request cannot state it."""
    flagged: bool = False
    """Whether a stored value outside `low`…`high` or `values` is flagged and the run goes on.

    `Workload.encode` must then take such a value for not known. A request is refused either way.
    """

    watched: bool = True
    """Whether it is watched in use; not where `Workload.request` leaves it out."""

    @property
    def content(self) -> bool:
        """Whether it is large and read only where the example itself is needed."""
        return self.dtype in ("bytes", "series")

    @property
    def classed(self) -> bool:
        """Whether its values are classes, to be counted, and not quantities, to be measured."""
        return self.dtype in ("category", "str", "bool", "int")

    @property
    def allowed(self) -> str:
        """What a value may be, in words, for errors and the data dictionary."""
        if self.values:
            return ", ".join(self.values)
        if self.dtype == "bool":
            return "0 or 1, true or false, yes or no"
        if self.dtype == "date":
            return "days as 2024-05-31 or 20240531"
        if self.dtype == "int" and (self.low, self.high) == (0, 1):
            return "0 or 1"
        if self.dtype in ("str", "category"):
            return "text"
        if self.dtype == "bytes":
            return "a file"
        kind = "whole numbers" if self.dtype == "int" else "numbers"
        low = "" if self.low is None else f" from {self.low:g}"
        high = "" if self.high is None else f" to {self.high:g}"
        limits = f"{kind}{low}{high}" + (f" {self.unit}" if self.unit else "")
        if self.dtype != "series":
            return limits
        until = "" if self.span_h is None else f", hours 0 to {self.span_h:g}"
        return f"pairs of hour and value: {limits}{until}"


COMMON: tuple[Column, ...] = (
    Column("example", "str", "keyed pseudonym of the example", nullable=False),
    Column("group", "str", "keyed pseudonym of what stays on one side of a split", nullable=False),
    Column(
        "site",
        "str",
        "where it was acquired: a keyed pseudonym unless the source declares it public",
        subgroup=True,
    ),
    Column(
        "time",
        "date",
        "when it was acquired, shifted by a keyed number of days that is the patient's own",
    ),
    Column(
        "published",
        "category",
        "side in the source's published split",
        values=("train", "val", "test"),
    ),
)
"""Columns that every workload has, first in every part of raw."""


@dataclass(frozen=True)
class Expectation:
    """A rule that one column alone cannot state; what `Column` says is expected without one.

    Parameters
    ----------
    name : in snake case, unique in the workload
    columns : the columns that `holds` looks at
    holds : frame of those columns → (N,) bool; True where the rule holds or cannot be judged,
        because a value is not known
    meaning : the rule as a sentence
    severity : whether a row that breaks it stops the run
    """

    name: str
    columns: tuple[str, ...]
    holds: Callable[[pd.DataFrame], pd.Series]
    meaning: str
    severity: Literal["critical", "warning"] = "critical"
