"""Whether a predicted risk of 20 % means that 20 of 100 such patients have the disease."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from medpipe.errors import DataError
from medpipe.evaluation.sample import Counts, Floats, Sample, ratio
from medpipe.objectives.binary import Binary

BINS = 10
TEMPERATURES = (0.05, 20.0)
"""Outside of these a network is not miscalibrated but broken."""
_EDGE = 1.02
_NEWTON_STEPS = 50
_CONVERGED = 1e-8
_ROUNDING = 1e-12
"""Share of the loss by which it may seem to rise where it has stopped falling."""
_SURE = 1e-12
"""Probabilities are kept this far from 0 and 1 where their logit is needed."""


def probability(logits: ArrayLike, temperature: float) -> Floats:
    """sigmoid(logit / temperature), (N,): what the service answers."""
    return Binary().link(np.asarray(logits), temperature)


def fit_temperature(labels: ArrayLike, logits: ArrayLike) -> float:
    """The temperature that gives the validation labels the highest likelihood.

    Labels are smoothed as Platt did (a positive counts as (P + 1)/(P + 2)), so that classes that
    the network separates without error do not ask for infinite confidence.

    Raises
    ------
    DataError : one class only, which fits any confidence

    References
    ----------
    Guo et al. 2017, ICML (temperature scaling); Platt 1999, Advances in Large Margin Classifiers.
    """
    truth, score = np.asarray(labels, dtype=bool), np.asarray(logits, dtype=np.float64)
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        raise DataError(
            f"val has {positives} positive and {negatives} negative examples; the temperature "
            "needs both: raise split.val or add patients"
        )
    target = np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(log_temperature: float) -> float:
        scaled = score / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0, scaled) - target * scaled))

    found = minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURES)), method="bounded")
    return float(np.exp(found.x))


def is_extreme(temperature: float) -> bool:
    """Whether `temperature` stands at an end of the range that `fit_temperature` looks in."""
    low, high = TEMPERATURES
    return temperature < _EDGE * low or temperature > high / _EDGE


def brier(counts: Counts) -> Floats:
    """Mean squared distance of probability and outcome, (R,). Brier 1950, Mon Weather Rev 78."""
    error = counts.positives @ (1 - counts.scores) ** 2 + counts.negatives @ counts.scores**2
    return ratio(error, (counts.positives + counts.negatives).sum(axis=1))


def ece(counts: Counts) -> Floats:
    """Expected calibration error over BINS bins of equal mass, (R,).

    Bins of equal mass rather than of equal width: confident networks crowd near 0 and 1, where
    equal widths leave most bins empty, and the bias of equal mass is the smaller one. Equal scores
    are never divided between bins.

    References
    ----------
    Naeini et al. 2015, AAAI (the error); Roelofs et al. 2022, AISTATS (bias of the two binnings).
    """
    weight = counts.positives + counts.negatives  # (R, K)
    gaps = _binned(weight, counts.positives - weight * counts.scores)
    return ratio(np.abs(gaps).sum(axis=1), weight.sum(axis=1))


@dataclass(frozen=True)
class Bins:
    """A reliability curve: mean probability, observed share, number of examples; (bins,) each."""

    predicted: Floats
    observed: Floats
    examples: Floats


def reliability(sample: Sample) -> Bins:
    """Predicted against observed in the bins that `ece` uses, empty ones left out."""
    counts = sample.counts()
    weight = counts.positives + counts.negatives
    mass, predicted, observed = (
        _binned(weight, values)[0] for values in (weight, weight * counts.scores, counts.positives)
    )
    full = mass > 0
    return Bins(predicted[full] / mass[full], observed[full] / mass[full], mass[full])


def _binned(weight: Floats, values: Floats) -> Floats:
    """`values` (R, K) summed over BINS bins of equal `weight` (R, K), (R, BINS).

    A score falls into the bin that holds the middle of its weight. That middle never falls from one
    score to the next, so a bin is a run of scores and its sum a difference of two running sums.
    """
    rows, scores = weight.shape
    middle = np.cumsum(weight, axis=1) - weight / 2
    edges = weight.sum(axis=1)[:, None] * np.arange(1, BINS) / BINS  # (R, BINS − 1)
    cuts = np.zeros((rows, BINS + 1), dtype=np.int64)
    cuts[:, 1:-1] = [np.searchsorted(m, e) for m, e in zip(middle, edges, strict=True)]
    cuts[:, -1] = scores
    running = np.zeros((rows, scores + 1))
    np.cumsum(values, axis=1, out=running[:, 1:])
    return np.diff(np.take_along_axis(running, cuts, axis=1), axis=1)


@dataclass(frozen=True)
class Coefficient:
    """A coefficient with its standard error, clustered by group."""

    value: float
    error: float


def slope(sample: Sample) -> Coefficient | None:
    """Slope of outcome on the logit of the probability: 1 when right, below 1 when overconfident.

    None where it has no finite value: one class, one group, one score, or classes without overlap.

    References
    ----------
    Cox 1958, Biometrika 45:562–565; Van Calster et al. 2019, BMC Medicine 17:230;
    Liang & Zeger 1986, Biometrika 73:13–22 (variance under clustering).
    """
    x = np.column_stack([np.ones(len(sample)), _logits(sample)])
    return _logistic(sample, x, np.zeros(len(sample)), start=np.array([0.0, 1.0]))


def intercept(sample: Sample) -> Coefficient | None:
    """Calibration in the large: 0 when right, above 0 when risks are too low; slope held at 1.

    None with one class or one group. References: see `slope`.
    """
    return _logistic(sample, np.ones((len(sample), 1)), _logits(sample), start=np.zeros(1))


def _logits(sample: Sample) -> Floats:
    logits: Floats = logit(np.clip(sample.scores, _SURE, 1 - _SURE))
    return logits


def _logistic(sample: Sample, x: Floats, offset: Floats, *, start: Floats) -> Coefficient | None:
    """Last coefficient of a logistic regression of the labels on `x` (N, F), by Newton steps."""
    if not sample.positives or not sample.negatives or sample.group_count < 2:
        return None
    beta, loss = start, np.inf
    for _ in range(_NEWTON_STEPS):
        linear = x @ beta + offset
        risk = expit(linear)
        gradient = x.T @ (sample.labels - risk)
        curvature = (x * (risk * (1 - risk))[:, None]).T @ x
        if np.linalg.cond(curvature) > 1 / _SURE:
            return None
        step = np.linalg.solve(curvature, gradient)
        if np.abs(step).max() < _CONVERGED:
            return Coefficient(float(beta[-1]), _clustered_error(sample, x, risk, curvature))
        beta, loss = _damped(sample, x, offset, beta, step, loss)
    return None


def _damped(
    sample: Sample, x: Floats, offset: Floats, beta: Floats, step: Floats, loss: float
) -> tuple[Floats, float]:
    """`beta` moved along `step`, halved while that would worsen the fit; and the new loss."""
    for halving in range(_NEWTON_STEPS):
        moved = beta + step / 2**halving
        linear = x @ moved + offset
        new = float(np.sum(np.logaddexp(0, linear) - sample.labels * linear))
        if new <= loss * (1 + _ROUNDING):
            break
    return moved, new


def _clustered_error(sample: Sample, x: Floats, risk: Floats, curvature: Floats) -> float:
    """Standard error of the last coefficient by the sandwich over groups."""
    residual = sample.labels - risk
    scores = np.column_stack([sample.by_group(column * residual) for column in x.T])  # (G, F)
    bread = np.linalg.inv(curvature)
    count = sample.group_count
    variance = bread @ (scores.T @ scores) @ bread * count / (count - 1)
    return float(np.sqrt(variance[-1, -1]))
