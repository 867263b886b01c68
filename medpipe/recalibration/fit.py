"""The line that puts risks right, and whether it is needed at all.

logit of the right risk = intercept + slope · logit of the risk. Where prevalence alone has changed
the intercept is enough; a slope is fitted only where the outcomes bear it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import chi2

from medpipe.evaluation.sample import Floats

ALPHA = 0.05
"""Level of the closed test; Vergouwe et al. 2017."""
_REACH = ((-20.0, 20.0), (0.01, 100.0))
"""Where intercept and slope are looked for: beyond, no plan could want them."""
_TIGHT = {"ftol": 1e-15, "gtol": 1e-10}


@dataclass(frozen=True)
class Correction:
    """logit of the corrected risk = intercept + slope · logit of the risk."""

    intercept: float = 0.0
    slope: float = 1.0

    def of(self, scores: Floats) -> Floats:
        """`scores`, logits of risks of any shape, corrected."""
        corrected: Floats = self.intercept + self.slope * scores
        return corrected


NONE = Correction()


@dataclass(frozen=True)
class Fitted:
    """What the outcomes ask for.

    Parameters
    ----------
    p_any : that the risks need no correction, by the likelihood ratio of both coefficients
    p_slope : that the intercept is enough, by that of the slope
    """

    correction: Correction
    p_any: float
    p_slope: float


def fit(scores: Floats, outcomes: NDArray[np.bool_]) -> Fitted:
    """The simplest of nothing, an intercept, and both that `outcomes` do not speak against.

    A closed test: first whether both coefficients fit better than nothing, then whether they fit
    better than the intercept alone. So risks that are right are changed in one of twenty cases at
    most, and few outcomes do not buy a slope.

    Parameters
    ----------
    scores, outcomes : (N,); logits of the risks that were answered, and what became of them, with
        at least one of each kind

    References
    ----------
    Cox 1958, Biometrika 45:562–565 (the line); Steyerberg 2009, Clinical Prediction Models,
    chapter 15 (recalibration before revision); Vergouwe et al. 2017, Statistics in Medicine
    36:4529–4539 (the closed test).
    """
    simple, line = intercept(scores, outcomes), _most_likely(scores, outcomes, has_slope=True)
    none, less, best = (2 * _loss(each, scores, outcomes) for each in (NONE, simple, line))
    p_any, p_slope = float(chi2.sf(none - best, 2)), float(chi2.sf(less - best, 1))
    chosen = NONE if p_any > ALPHA else simple if p_slope > ALPHA else line
    return Fitted(chosen, p_any, p_slope)


def intercept(scores: Floats, outcomes: NDArray[np.bool_]) -> Correction:
    """The most likely correction whose slope is 1."""
    return _most_likely(scores, outcomes, has_slope=False)


def _most_likely(scores: Floats, outcomes: NDArray[np.bool_], *, has_slope: bool) -> Correction:
    x = np.stack([np.ones_like(scores), scores])  # (2, N)
    held = slice(0, 2 if has_slope else 1)

    def mean_loss(coefficients: Floats) -> tuple[float, Floats]:
        given = np.array([0.0, 1.0])
        given[held] = coefficients
        linear = given @ x
        risk = expit(linear)
        mean = float(np.mean(np.logaddexp(0, linear) - outcomes * linear))
        return mean, x[held] @ (risk - outcomes) / len(scores)

    found = minimize(
        mean_loss,
        np.array([0.0, 1.0])[held],
        jac=True,
        method="L-BFGS-B",
        bounds=_REACH[held],
        options=_TIGHT,
    )
    return Correction(*map(float, found.x))


def _loss(correction: Correction, scores: Floats, outcomes: NDArray[np.bool_]) -> float:
    linear = correction.of(scores)
    return float(np.sum(np.logaddexp(0, linear) - outcomes * linear))
