"""What moved, of whom, and whether it stays: the tests of `drift` over facts, parts and windows.

All answers are held against the reference of the release. A site or a subgroup differs from the
whole for good reasons and for ever, so it is held against its own past: its first answers after the
release, in whole windows, until there are enough of them.

One window moves by chance once in a while, and a reference that was drawn unluckily makes every
window look moved a little. So a movement counts once the newest window and enough of those before
it show the same one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from medpipe.monitoring import drift, windows
from medpipe.monitoring.drift import Counted, Kind, Shift
from medpipe.monitoring.facts import Watched
from medpipe.monitoring.policy import MonitorParams
from medpipe.monitoring.windows import ALL, Part, Places, Window

Key = tuple[Part, str, Kind]
"""Of whom, which fact, which question."""


@dataclass(frozen=True)
class Movement:
    """A fact in the newest window that was judged, and in those before it.

    Parameters
    ----------
    whom : `ALL`, or which site or subgroup
    p : corrected for all that was looked at beside it
    moved : significant and large, in the newest window
    shown : how many of the windows that count show it
    lasting : enough of them, the newest one too
    """

    whom: Part
    shift: Shift
    p: float
    moved: bool
    shown: int
    lasting: bool


def of_all(
    watched: Watched, judged: Sequence[Window], policy: MonitorParams
) -> tuple[Movement, ...]:
    """All answers of each window against the reference; one entry per fact and question.

    Parameters
    ----------
    judged : the windows that count, oldest first, all large enough
    """
    reference = [Counted.of(fact) for fact in watched.facts]
    looks: list[dict[Key, Shift]] = [
        {
            (ALL, shift.fact, shift.kind): shift
            for shift in _compared(watched, reference, window.places)
        }
        for window in judged
    ]
    return _lasting(looks, policy)


def of_parts(
    watched: Watched,
    found: Sequence[Window],
    subgroups: Sequence[str],
    policy: MonitorParams,
) -> tuple[Movement, ...]:
    """Each site and subgroup against its own past.

    Parameters
    ----------
    found : all windows since the release, oldest first
    subgroups : facts whose values are parts
    """
    past: dict[Part, list[Places]] = {}
    looks: list[dict[Key, Shift]] = []
    for number, window in enumerate(found):
        look: dict[Key, Shift] = {}
        for whom, mask in windows.parts(window, watched, subgroups):
            places = window.places[mask]
            known = past.setdefault(whom, [])
            if sum(map(len, known)) < policy.own_past:
                known.append(places)
            elif number >= len(found) - policy.among and len(places) >= policy.min_answers:
                before = _counted(watched, np.concatenate(known))
                look |= {(whom, s.fact, s.kind): s for s in _compared(watched, before, places)}
        looks.append(look)
    return _lasting(looks[-policy.among :], policy)


def _counted(watched: Watched, places: Places) -> list[Counted]:
    return [Counted.among(fact, places[:, index]) for index, fact in enumerate(watched.facts)]


def _compared(watched: Watched, before: Sequence[Counted], places: Places) -> Iterator[Shift]:
    now = _counted(watched, places)
    for fact, first, second in zip(watched.facts, before, now, strict=True):
        yield from drift.shifts(fact, first, second)


def _lasting(looks: Sequence[dict[Key, Shift]], policy: MonitorParams) -> tuple[Movement, ...]:
    """Of the newest of `looks`, which movements there are, and in how many of all."""
    shown: Counter[Key] = Counter()
    corrected: dict[Key, float] = {}
    moved: set[Key] = set()
    for look in looks:
        p = drift.holm([shift.p for shift in look.values()])
        corrected = dict(zip(look, p.tolist(), strict=True))
        moved = {
            key
            for key, shift in look.items()
            if corrected[key] <= policy.alpha and _is_large(shift, policy)
        }
        shown.update(moved)
    newest = looks[-1] if looks else {}
    return tuple(
        Movement(
            whom=key[0],
            shift=shift,
            p=corrected[key],
            moved=key in moved,
            shown=shown[key],
            lasting=key in moved and shown[key] >= policy.lasting,
        )
        for key, shift in newest.items()
    )


def _is_large(shift: Shift, policy: MonitorParams) -> bool:
    if shift.kind == "spread":
        return shift.size >= policy.psi_floor
    return abs(shift.size) >= policy.not_stated_floor
