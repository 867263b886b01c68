"""Answers by whole windows of the calendar, so that looking more often finds nothing more often.

A window is `days` long and begins at a whole number of them after a Monday in UTC, whoever asks and
whenever. The one that is not over yet is judged by nobody: an hourly run gives, until it is over,
the verdict that stood before. What is judged again from the same answers is the same verdict, so
that nothing has to be remembered between runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import AuditError
from medpipe.monitoring.facts import Fact, Watched
from medpipe.monitoring.journal import Seen

MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
Places = NDArray[np.int8]
Mask = NDArray[np.bool_]
Part = tuple[str, str]
"""A column and its value, or range of values."""
ALL: Part = ("", "")


@dataclass(frozen=True)
class Window:
    """The answers of one whole window.

    Parameters
    ----------
    start, end : UTC; `end` is the start of the next
    answer_ids : (N,)
    sites : (N,), keyed pseudonyms; "" where none is known
    places : (N, F), the bin of each fact of the release
    """

    start: datetime
    end: datetime
    answer_ids: tuple[str, ...]
    sites: NDArray[np.str_]
    places: Places

    def __len__(self) -> int:
        return len(self.answer_ids)


def cut(
    rows: Iterable[Seen], watched: Watched, *, certificate: str, days: float, now: datetime
) -> list[Window]:
    """The windows that were over by `now`, from the first answer of the release on, empty ones too.

    Parameters
    ----------
    rows : by time; those of other releases are passed over

    Raises
    ------
    AuditError : a row has another number of bins than the release has facts
    """
    last = _number(now, days)  # not over yet
    found: dict[int, list[Seen]] = {}
    for row in rows:
        number = _number(datetime.fromisoformat(row.at), days)
        if row.certificate != certificate or number >= last:
            continue
        if len(row.bins) != len(watched.facts):
            raise AuditError(
                f"what was seen of answer {row.answer_id} has {len(row.bins)} facts, and its "
                f"release {len(watched.facts)}: watch.db is damaged; restore it from its backup"
            )
        found.setdefault(number, []).append(row)
    numbers = range(min(found), last) if found else range(0)
    return [_window(number, found.get(number, []), watched, days) for number in numbers]


def parts(
    window: Window, watched: Watched, subgroups: Sequence[str]
) -> Iterator[tuple[Part, Mask]]:
    """Each site, and each value of the facts named `subgroups`, with where it stands, (N,).

    Numbers are parted at the thirds of the reference.
    """
    for site in np.unique(window.sites[window.sites != ""]).tolist():
        yield ("site", site), window.sites == site
    for index, fact in enumerate(watched.facts):
        if fact.name in subgroups:
            for name, low, high in _ranges(fact):
                places = window.places[:, index]
                yield (fact.name, name), (places >= low) & (places < high)


def _ranges(fact: Fact) -> list[tuple[str, int, int]]:
    """Parts of a fact: name, first bin, and the bin after the last."""
    if not fact.edges:
        return [(word, index, index + 1) for index, word in enumerate(fact.words)]
    count = len(fact.edges)
    cuts = sorted({round(count / 3), round(2 * count / 3)} - {0})
    edges = [fact.edges[at - 1] for at in cuts]
    names = [f"below {edges[0]:g}"] if edges else []
    names += [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
    names += [f"from {edges[-1]:g}"] if edges else []
    bounds = [0, *cuts, count + 1]
    return [(name, *ends) for name, ends in zip(names, pairwise(bounds), strict=True)]


def _number(at: datetime, days: float) -> int:
    return (at - MONDAY) // timedelta(days=days)


def _window(number: int, rows: Sequence[Seen], watched: Watched, days: float) -> Window:
    step = timedelta(days=days)
    start = MONDAY + number * step
    places: Any = [row.bins for row in rows] or np.empty((0, len(watched.facts)))
    return Window(
        start,
        start + step,
        tuple(row.answer_id for row in rows),
        np.array([row.site or "" for row in rows], dtype=np.str_),
        np.asarray(places, np.int8),
    )
