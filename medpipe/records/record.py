"""Records: examples that arrive as named values, each a column of raw.

What a request may state, and within which limits, is what the columns declare, and stands nowhere
else. Values are echoed only where they are numbers: a text, or the name of a field that nobody
asked for, may be a person's.
"""

from __future__ import annotations

import difflib
import json
import math
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from medpipe.columns import COMMON, Column
from medpipe.errors import Problem, UnreadableError
from medpipe.workload import Workload

MEASUREMENTS_MAX = 20_000
"""In one series of a request; a monitor gives one a second for five hours and a half."""
TEXT_MAX = 200
"""Characters of a text in a request."""
_SAID = 8
"""Problems that one refusal lists."""
_REMEMBERED = 1000
"""Words of a column that `Check` need not look at again."""
_NOTHING: tuple[Any, ...] = (None, [], ())


def asked(workload: Workload) -> tuple[Column, ...]:
    """The columns that a record may state, in the order of raw."""
    ours = {*(column.name for column in COMMON), *workload.label_columns}
    return tuple(
        column
        for column in workload.columns
        if column.name not in ours and not column.computed and column.dtype != "bytes"
    )


def parsed(body: bytes, workload: Workload) -> dict[str, Any]:
    """The record in the JSON of a request; raises as `checked` does, and where it is no JSON."""
    try:
        # NaN and Infinity are no JSON, but Python reads them; `checked` then names the field.
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableError("the body is not JSON; send one object, field by field") from None
    return checked(content, workload)


def checked(record: Any, workload: Workload) -> dict[str, Any]:
    """The record of a request: every asked column, typed and within its limits; None: not known.

    A series comes out as a list of (hour, value), in the order of the request.

    Raises
    ------
    UnreadableError : not an object; a field that is not asked for; a value of another type, not
        finite, or outside what its column allows; the message names field, number, limit and unit
    """
    if not isinstance(record, Mapping):
        raise UnreadableError("send one JSON object, field by field", fault="format")
    columns = asked(workload)
    values, problems = _read(record, columns)
    _refuse([*_unknown(record, [column.name for column in columns]), *problems])
    return values


def read(row: Mapping[str, Any], columns: Sequence[Column]) -> dict[str, Any]:
    """What `row` states of `columns`, as they hold it.

    Raises
    ------
    UnreadableError : one is not such as it may be; the message names field, number, limit and unit
    """
    values, problems = _read(row, columns)
    _refuse(problems)
    return values


def missing(row: Mapping[str, Any], columns: Sequence[Column]) -> list[str]:
    """Names of the `columns` of which `row` says nothing, in words."""
    absent = (column for column in columns if row.get(column.name) in _NOTHING)
    return [column.name.replace("_", " ") for column in absent]


def inside(value: float, column: Column) -> bool:
    """Whether a number lies within what `column` declares; nan does not."""
    return (
        (column.low is None or value >= column.low)
        and (column.high is None or value <= column.high)
        and not math.isnan(value)
    )


class Check:
    """Holds row after row against `columns`; may be called in many threads.

    A word that was fine is not looked at again: words are few, and come again and again.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = [(column, column.name, set[str]()) for column in columns]

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Nothing, where each of the columns is such as it may be in `row`; raises as `read`."""
        others = [
            (column, value, fine)
            for column, name, fine in self._columns
            if type(value := row.get(name)) is not str or value not in fine
        ]
        read(
            row, [column for column, value, _ in others if value is not None or not column.nullable]
        )
        for _, value, fine in others:
            if type(value) is str and len(fine) < _REMEMBERED:
                fine.add(value)


class _WrongError(ValueError):
    """A value that its column does not allow; `steps` lead to it inside the field."""

    def __init__(self, said: str, *steps: object) -> None:
        super().__init__(said)
        self.steps = tuple(map(str, steps))


def _read(
    record: Mapping[str, Any], columns: Sequence[Column]
) -> tuple[dict[str, Any], list[Problem]]:
    """What each of `columns` has in `record`, and what is wrong with the rest."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for column in columns:
        try:
            values[column.name] = _value(record.get(column.name), column)
        except _WrongError as error:
            problems.append(("/".join(("", column.name, *error.steps)), str(error)))
    return values, problems


def _refuse(problems: Sequence[Problem]) -> None:
    if not problems:
        return
    more = f"; and {len(problems) - _SAID} more" if len(problems) > _SAID else ""
    listed = tuple(problems[:_SAID])
    message = "; ".join(said for _, said in listed) + more
    raise UnreadableError(message, fault="content", problems=listed)


def _stated(value: Any) -> bool:
    return value not in _NOTHING


def _unknown(record: Mapping[str, Any], known: list[str]) -> list[Problem]:
    said: list[Problem] = []
    for number, name in enumerate(record, start=1):
        if name in known:
            continue
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]}?" if near else ""
        said.append(("", f"field {number} of the request is not one that is asked for{hint}"))
    return said


def _value(value: Any, column: Column) -> Any:
    """`value` as `column` stores it. Raises _WrongError with a sentence."""
    if not _stated(value):
        if not column.nullable:
            raise _WrongError(f"{column.name} is missing; allowed: {column.allowed}")
        return None
    if column.dtype == "series":
        return _series(value, column)
    if column.dtype in ("int", "float"):
        return _number(value, column, column.name)
    if column.dtype == "bool":
        if not isinstance(value, bool):
            raise _WrongError(f"{column.name} is neither true nor false")
        return value
    return _text(value, column)


def _text(value: Any, column: Column) -> Any:
    if not isinstance(value, str):
        raise _WrongError(f"{column.name} is not a text; allowed: {column.allowed}")
    if column.values and value not in column.values:
        raise _WrongError(f"{column.name} is not one of {column.allowed}")
    if len(value) > TEXT_MAX:
        raise _WrongError(f"{column.name} is longer than {TEXT_MAX} characters")
    if column.dtype != "date":
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise _WrongError(f"{column.name} is no day; write it as 2024-05-31") from None


def _number(value: Any, column: Column, where: str, *steps: int) -> float | int:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _WrongError(f"{where} is not a number; allowed: {column.allowed}", *steps)
    if isinstance(value, int) and abs(value) > sys.float_info.max:  # JSON sets no limit
        raise _WrongError(f"{where} is beyond any number; allowed: {column.allowed}", *steps)
    if not math.isfinite(value):
        raise _WrongError(f"{where} is {value}; leave out what is not known", *steps)
    if not inside(value, column):
        unit = f" {column.unit}" if column.unit else ""
        raise _WrongError(f"{where} is {value:g}{unit}; allowed: {column.allowed}", *steps)
    if column.dtype != "int":
        return float(value)
    if value != int(value):
        raise _WrongError(f"{where} is {value:g}; allowed: {column.allowed}", *steps)
    return int(value)


def _series(value: Any, column: Column) -> list[tuple[float, float]]:
    if not isinstance(value, list):
        raise _WrongError(f"{column.name} is not a list; allowed: {column.allowed}")
    if len(value) > MEASUREMENTS_MAX:
        raise _WrongError(
            f"{column.name} has {len(value)} measurements; at most {MEASUREMENTS_MAX} are read"
        )
    hours = Column("hour", "float", "since the start", "h", low=0, high=column.span_h)
    pairs = []
    for number, pair in enumerate(value, start=1):
        where = f"{column.name}, measurement {number},"
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise _WrongError(f"{where} is not a pair; write [hour, value]", number - 1)
        hour = _number(pair[0], hours, f"the hour of {where.rstrip(',')}", number - 1, 0)
        pairs.append((float(hour), float(_number(pair[1], column, where, number - 1, 1))))
    return pairs
