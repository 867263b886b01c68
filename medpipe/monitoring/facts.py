"""The facts of an example that are watched, and their bins: all that is kept of an input.

Numpy only: the service sorts every request into bins, evaluate the reference, by the same code.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from medpipe.columns import COMMON, Column
from medpipe.workload import Row, Workload

MISSING = -1
"""The bin of what is not stated."""
WORDS_MAX = 30
"""Words of a fact that have a bin of their own, the most frequent ones."""
WORD_COUNT_MIN = 5
"""How often a word must stand in the reference, which is published with the model: rarer ones
might tell whose it is."""
_TENTHS = np.arange(1, 10) / 10
_UNWATCHED = frozenset({"bytes", "date"})
_SCORES = ("risk", "value", "distance")
Value = float | str | None
Columns = Mapping[str, Sequence[Value]]
"""Of several examples, each fact's values in their order."""
T = TypeVar("T", Value, list[Value])
Part = Literal["input", "score", "feature"]
"""What was asked, what was said of it, and what the network's own features are (`directions`)."""


class Fact(BaseModel):
    """One thing that is watched, and how the reference was spread over its bins.

    Parameters
    ----------
    edges : of a number, ascending; its bin is how many of them are at or below it
    words : of a word, which has the bin of its place here; any other has the one after the last
    counts : of the reference, one per bin
    missing : of the reference, where it was not stated
    """

    model_config = ConfigDict(frozen=True)

    name: str
    part: Part
    edges: tuple[float, ...] = ()
    words: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    missing: int = 0

    def bin(self, value: Value) -> int:
        """Where `value` belongs; `MISSING` where there is none."""
        return self.bins((value,))[0]

    def bins(self, values: Iterable[Value]) -> list[int]:
        """Where each of `values` belongs, as `bin`."""
        edges, other = self.edges, len(self.words)
        places = {word: place for place, word in enumerate(self.words)}
        return [
            MISSING
            if value is None or value != value
            else places.get(value, other)
            if isinstance(value, str)
            else bisect_right(edges, value)
            for value in values
        ]


class Watched(BaseModel):
    """The reference that is stored with a model; without facts, nothing is watched."""

    model_config = ConfigDict(frozen=True)

    splits: tuple[str, ...] = ()
    examples: int = 0
    facts: tuple[Fact, ...] = ()

    def bins(self, values: Mapping[str, Value]) -> list[int]:
        """The bin of each fact, in their order."""
        return [fact.bin(values.get(fact.name)) for fact in self.facts]

    def bins_of(self, columns: Columns, *, count: int) -> list[tuple[int, ...]]:
        """`bins` of each of `count` examples; without facts, empty ones."""
        absent = [None] * count
        found = (fact.bins(columns.get(fact.name, absent)) for fact in self.facts)
        return list(zip(*found, strict=True)) if self.facts else [()] * count


def columns(workload: Workload) -> tuple[Column, ...]:
    """Those columns of `workload` that are watched as inputs."""
    others = {*(column.name for column in COMMON), *workload.label_columns}
    alike = {workload.duplicate_column, workload.near_duplicate_column}
    return tuple(
        column
        for column in workload.columns
        if column.name not in others | alike and column.watched and column.dtype not in _UNWATCHED
    )


def inputs(row: Row, watched: Sequence[Column]) -> dict[str, Value]:
    """Facts of what was asked about, by name, in a fixed order."""
    return {name: value for name, (value,) in inputs_of([row], watched).items()}


def inputs_of(rows: Sequence[Row], watched: Sequence[Column]) -> dict[str, list[Value]]:
    """`inputs` of each of `rows`."""
    found: dict[str, list[Value]] = {}
    for column in watched:
        values = [row.get(column.name) for row in rows]
        if column.dtype == "series":
            levels = [[float(level) for _, level in value or ()] for value in values]
            found[column.name] = [fmean(each) if each else None for each in levels]
            found[f"{column.name}, measurements"] = [float(len(each)) for each in levels]
        elif column.dtype in ("int", "float"):
            found[column.name] = [None if value is None else float(value) for value in values]
        else:
            found[column.name] = [None if value is None else str(value).lower() for value in values]
    return found


def scores(said: Mapping[str, Any]) -> dict[str, Value]:
    """Facts of what was said; `said` is what the record of answers holds."""
    return {name: float(value) for name, value in _scores(said)}


def directions(along: Iterable[T]) -> dict[str, T]:
    """Facts of where an example lies along the artefact's directions, see `artefact.distance`.

    Of several examples, `along` has all places along the first direction, then the second, ….
    """
    return {f"direction {number}": place for number, place in enumerate(along, start=1)}


def of_answers(
    inputs: Mapping[str, list[Value]],
    pictures: Sequence[Mapping[str, Value]],
    said: Sequence[Mapping[str, Value]],
    along: np.ndarray,
) -> dict[str, list[Value]]:
    """All facts of N answers.

    Parameters
    ----------
    inputs : by `inputs_of`
    pictures : by `pixels.of_inputs`, of each
    said : by `scores`, of each
    along : (N, K), their places along the artefact's directions
    """
    places: list[list[Value]] = along.T.tolist()
    return {**inputs, **by_name(pictures), **by_name(said), **directions(places)}


def by_name(examples: Sequence[Mapping[str, Value]]) -> dict[str, list[Value]]:
    """Facts of each of `examples` as columns, in the order in which the names are met."""
    names = dict.fromkeys(name for values in examples for name in values)
    return {name: [values.get(name) for values in examples] for name in names}


def fact(name: str, part: Part, values: Sequence[Value]) -> Fact:
    """`name` with bins that spread `values`, the reference, evenly."""
    known = [value for value in values if value is not None and value == value]
    words = _frequent(value for value in known if isinstance(value, str))
    numbers = np.asarray([value for value in known if not isinstance(value, str)], float)
    edges: tuple[float, ...] = ()
    if numbers.size:
        # Values of the reference themselves, so that a tie has a bin of its own and not two.
        tenths = np.unique(np.quantile(numbers, _TENTHS, method="higher"))
        edges = tuple(tenths[tenths > numbers.min()].tolist())
    found = Fact(name=name, part=part, edges=edges, words=words)
    places = np.asarray([found.bin(value) for value in known], int)
    counts = np.bincount(places, minlength=1 + len(words) + len(edges))
    return found.model_copy(
        update={"counts": tuple(counts.tolist()), "missing": len(values) - len(known)}
    )


def _frequent(words: Iterable[str]) -> tuple[str, ...]:
    found = [(-count, word) for word, count in Counter(words).items() if count >= WORD_COUNT_MIN]
    return tuple(word for _, word in sorted(found)[:WORDS_MAX])


def _scores(said: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    # A binary answer's `probability` is its risk before calibration, and tells nothing more.
    yield from ((name, said[name]) for name in _SCORES if said.get(name) is not None)
    for part in (*(said.get("classes") or ()), *(said.get("labels") or ())):
        name = "probability" if "probability" in part else "risk"
        yield f"{name}_{part['name']}", part[name]
