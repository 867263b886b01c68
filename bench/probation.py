"""How often a probation ends well or badly, by what is true of the candidate: docs/release.md.

python bench/probation.py
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from statistics import median

import numpy as np

from medpipe.probation import LATE_SHARE, ReleaseParams, Tally, decide, surely_broken, terms_of

PROBATIONS = 500
SCALES = (0.5, 1.0, 2.0, 4.0)
"""True shares, in terms of the bounds."""
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
TERMS = terms_of(ReleaseParams(mode="shadow"), BEGAN)


def main() -> None:
    bounds = np.array((TERMS.error_rate, LATE_SHARE, 1 - TERMS.agreement))
    for scale in SCALES:
        rng = np.random.default_rng(1)
        ends = [
            probation(rng.random((TERMS.answers, 3)) < bounds * scale) for _ in range(PROBATIONS)
        ]
        early = [tally.answers for tally in ends if tally.answers < TERMS.answers]
        champions = [t for t in ends if decide(t, TERMS, BEGAN).verb == "full"]
        when = f", after {median(early):g} answers (median)" if early else ""
        print(
            f"true shares {scale:g} times the bounds: stopped early "
            f"{len(early) / PROBATIONS:.1%}{when}; champion {len(champions) / PROBATIONS:.1%}"
        )


def probation(against: Iterable[tuple[bool, bool, bool]]) -> Tally:
    """What is counted until a bound is surely broken, or all answers are in."""
    tally = Tally()
    for fails, late, differs in against:
        tally = tally.failed() if fails else tally.given(late=bool(late), differs=bool(differs))
        if surely_broken(tally, TERMS):
            break
    return tally


if __name__ == "__main__":
    main()
