"""What moved, of whom, and whether it stays: the tests of `drift` over facts, parts and windows.

All answers are held against the reference of the release. A site or a subgroup differs from the
whole for good reasons and for ever, so it is held against its own past: its first answers after the
release, in whole windows, until there are enough of them.

One window moves by chance once in a while, and a reference that was drawn unluckily makes every
window look moved a little. So a movement counts once the newest window and enough of those before
it show the same one. What one of these windows shows, corrected for all that was looked at, is a
suspicion; whether the others show it, too, is asked of the suspects alone, and corrected for those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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
    p : corrected for all that was looked at beside it; of a suspect, for the other suspects
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
    return over_windows(looks, policy)


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
    return over_windows(looks[-policy.among :], policy)


def over_windows(looks: Sequence[dict[Key, Shift]], policy: MonitorParams) -> tuple[Movement, ...]:
    """Of the newest of `looks`, which movements there are, and in how many of all.

    Parameters
    ----------
    looks : of each window that counts, oldest first, what was asked and found
    """
    whole = [_corrected(look) for look in looks]
    named = {key for p, look in zip(whole, looks, strict=True) for key in _moved(p, look, policy)}
    again = [_corrected({key: look[key] for key in named & look.keys()}) for look in looks]
    seen = [_moved(p, look, policy) for p, look in zip(again, looks, strict=True)]
    shown = Counter(key for keys in seen for key in keys)
    newest = looks[-1] if looks else {}
    return tuple(
        Movement(
            whom=key[0],
            shift=shift,
            p=again[-1].get(key, whole[-1][key]),
            moved=key in seen[-1],
            shown=shown[key],
            lasting=key in seen[-1] and shown[key] >= policy.lasting,
        )
        for key, shift in newest.items()
    )


def _counted(watched: Watched, places: Places) -> list[Counted]:
    return [Counted.among(fact, places[:, index]) for index, fact in enumerate(watched.facts)]


def _compared(watched: Watched, before: Sequence[Counted], places: Places) -> Iterator[Shift]:
    now = _counted(watched, places)
    for fact, first, second in zip(watched.facts, before, now, strict=True):
        yield from drift.shifts(fact, first, second)


def _corrected(look: Mapping[Key, Shift]) -> dict[Key, float]:
    p = drift.holm([shift.p for shift in look.values()])
    return dict(zip(look, p.tolist(), strict=True))


def _moved(p: Mapping[Key, float], look: Mapping[Key, Shift], policy: MonitorParams) -> set[Key]:
    return {key for key in p if p[key] <= policy.alpha and _is_large(look[key], policy)}


def _is_large(shift: Shift, policy: MonitorParams) -> bool:
    if shift.kind == "spread":
        return shift.size >= policy.psi_floor
    return abs(shift.size) >= policy.not_stated_floor
