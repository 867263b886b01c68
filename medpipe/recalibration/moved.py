"""The operating point of a champion whose risks are corrected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from medpipe.evaluation.sample import Floats
from medpipe.objectives.binary import Binary, OperatingPoint
from medpipe.recalibration.fit import NONE, Correction

_FURTHEST = 1e6
"""Logits beyond which every risk is 0 or 1, whatever the temperature."""
_HALVINGS = 100
"""From there to less than the distance of two numbers anywhere that matters."""
_BINARY = Binary()
Risk = Callable[[Floats], Floats]


def moved(point: OperatingPoint, correction: Correction, *, keeps_risk: bool) -> OperatingPoint:
    """`point` with `correction` on top of its own calibration.

    Where prevalence changes and what patients with and without the outcome look like does not, it
    is the logit at which a model finds 90 % of the cases, or which 90 % of those with an outcome
    reach, that stays, and not the risk: so threshold and limits move with the risk, and whom the
    model flags and what it calls possible stay as the gate allowed them.

    Parameters
    ----------
    keeps_risk : the threshold was set as a risk, by what a false alarm is worth, and stays one:
        then whom the model flags changes, as it should
    """
    if correction == NONE:
        return point
    after = replace(
        point,
        temperature=point.temperature / correction.slope,
        intercept=correction.intercept + correction.slope * point.intercept,
    )
    negative, positive = (
        _carried(np.float64(limit), _share(point, sign), _share(after, sign))
        for limit, sign in zip(point.least, (-1, 1), strict=True)
    )
    at = np.float64(point.threshold)
    return replace(
        after,
        threshold=point.threshold if keeps_risk else _carried(at, risk(point), risk(after)),
        least=(negative, positive),
    )


def logits(risks: Floats, point: OperatingPoint) -> Floats:
    """The lowest logit that gives at least each of `risks` (…) at `point`."""
    return _lowest(risk(point), np.asarray(risks, np.float64))


def risk(point: OperatingPoint) -> Risk:
    """What is answered to a logit at `point`."""
    return _share(point, 1)


def _share(point: OperatingPoint, sign: int) -> Risk:
    """The probability of yes (`sign` 1), or of no (−1) as it rises with the negated logit."""
    outcome = (1 + sign) // 2
    return lambda x: _BINARY.shares(point.calibrated(sign * x))[..., outcome]


def _carried(limit: np.float64, before: Risk, after: Risk) -> float:
    """The limit on `after` that the same examples reach as `limit` on `before`."""
    return 0.0 if limit <= 0 else float(after(_lowest(before, np.asarray(limit))))


def _lowest(rising: Risk, limits: Floats) -> Floats:
    """The lowest number at which `rising` is at least each of `limits` (…)."""
    low, high = np.full_like(limits, -_FURTHEST), np.full_like(limits, _FURTHEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        reached = rising(middle) >= limits
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return high
