"""Cells of a table as values of a column, held against what the workload declares of it."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

from medpipe.columns import Column
from medpipe.errors import SourceError

_MISSING = frozenset({"", "na", "nan", "nat", "none", "null"})
_TRUTHS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_DAY = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})(?:[T ].*)?")


def label(value: Any, column: Column, *, where: str) -> Any:
    """The label that a cell holds; None where the cell is empty.

    Raises
    ------
    SourceError : not of the column's type or not in its declared set; names `where` (a row), the
        value, which identifies nobody, and what is allowed
    """
    parsed = _parsed(value, column)
    if isinstance(parsed, ValueError) or not _within(parsed, column):
        raise SourceError(
            f"{where}: {column.name} is {str(value).strip()[:40]!r}; allowed: {column.allowed}, "
            "or nothing where it is not known"
        )
    return parsed


def covariate(value: Any, column: Column, *, where: str) -> Any:
    """The value that a cell holds; None where the cell is empty. Ranges are judged by validate.

    Raises
    ------
    SourceError : not of the column's type; the value is not repeated, because a column that was
        named by mistake may hold a patient's name
    """
    parsed = _parsed(value, column)
    if isinstance(parsed, ValueError):
        raise SourceError(
            f"{where}: {column.name} cannot be read; allowed: {column.allowed}, or nothing "
            "where it is not known"
        )
    return parsed


def _parsed(value: Any, column: Column) -> Any:
    """The value, None where there is none, or the ValueError that it is."""
    text = "" if value is None else str(value).strip()
    if text.lower() in _MISSING:
        return None
    try:
        return _converted(text, column)
    except (ValueError, KeyError):
        return ValueError(column.name)


def _converted(text: str, column: Column) -> Any:
    if column.dtype == "bool":
        return _TRUTHS[text.lower()]
    if column.dtype == "date":
        return day(text)
    if column.dtype in ("int", "float"):
        number = float(text)
        if column.dtype == "float":
            return number
        if not number.is_integer():
            raise ValueError(text)
        return int(number)
    if column.values and text not in column.values:
        raise ValueError(text)
    return text


def day(value: Any) -> date:
    """A day written as 2024-05-31 or 20240531, with or without a time. Raises ValueError."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    parts = _DAY.fullmatch(str(value).strip())
    if not parts:
        raise ValueError("not a day")
    return date(int(parts[1]), int(parts[2]), int(parts[3]))


def date_of(text: str | None, name: str | None, *, where: str) -> date | None:
    """The day that a cell of column `name` holds, None where it is empty.

    Raises
    ------
    SourceError : no day; names `where` (a row) and the column, and does not repeat the cell
    """
    if text is None:
        return None
    try:
        return day(text)
    except ValueError:
        raise SourceError(
            f"{where}: {name} is no day; allowed: 2024-05-31 or 20240531, or nothing"
        ) from None


def _within(value: Any, column: Column) -> bool:
    if value is None or column.dtype not in ("int", "float"):
        return True
    above = column.low is None or value >= column.low
    return bool(above and (column.high is None or value <= column.high))
