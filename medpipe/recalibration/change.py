"""Since when the risks are off as they are now: older answers would only blur what is so today.

Three months of answers of which one is from after a change ask for a third of the correction, and
a change is noticed long before three months have passed. So answers from before the last change of
how many outcomes there are for the risk are left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from medpipe.evaluation.sample import Floats
from medpipe.recalibration import fit

_TRIMMED = 0.15
"""Share of the information at each end where no change is looked for: there is too little."""
_CRITICAL = 12.16
"""What the largest statistic exceeds in 1 % of cases where nothing changed; Andrews 2003, table 1,
one coefficient, trimmed by `_TRIMMED`."""


def last(scores: Floats, outcomes: NDArray[np.bool_]) -> int:
    """Place of the first answer after the last change; 0 where there was none.

    Parameters
    ----------
    scores, outcomes : (N,), by time; logits of the risks, and what became of the patients

    References
    ----------
    Andrews 1993, Econometrica 61:821–856, and 2003, 71:395–397 (the largest of the score tests);
    Davis et al. 2020, J Biomed Inform 112:103611 (recent answers alone, for drift of calibration).
    """
    start = 0
    while (found := _first_after(scores[start:], outcomes[start:])) is not None:
        start += found
    return start


def _first_after(scores: Floats, outcomes: NDArray[np.bool_]) -> int | None:
    """Where the most likely change of the intercept begins; None where there is none."""
    if outcomes.all() or not outcomes.any():
        return None
    risks = expit(fit.intercept(scores, outcomes).of(scores))
    surplus = np.cumsum(outcomes - risks)[:-1]  # 0 at the end, whatever the intercept
    information = np.cumsum(risks * (1 - risks))
    share = information[:-1] / information[-1]
    inside = (share >= _TRIMMED) & (share <= 1 - _TRIMMED)
    if not inside.any():
        return None
    spread = information[-1] * share * (1 - share)
    statistic = np.where(inside, surplus**2 / np.where(inside, spread, 1), 0)
    at = int(statistic.argmax())
    return at + 1 if statistic[at] > _CRITICAL else None
