"""How the answers turned out beside what the report promised, and what can be expected of them.

With outcomes. Discrimination (AUROC), calibration in the large (outcomes observed over expected)
and the Brier score, each against the report of the release. That report is of a sample too, so each
difference is judged by the errors of both, and like drift it must be both significant and larger
than a margin. An observed over expected that moved while the AUROC held is a
change of prevalence, or of whatever multiplies every risk alike: a new calibration mends it. An
AUROC that fell is a change of what the inputs mean, or of the inputs; only other data mend that.

Without outcomes. If every risk is right, a patient of risk 0.3 has the outcome in 30 of 100 cases,
and the AUROC to be expected follows from the risks alone. That holds as long as the patients' mix
changes and nothing else does: the estimate cannot see that prevalence or the meaning of an input
has changed, and is no ground for an alarm.

References
----------
Van Calster et al. 2019, BMC Medicine 17:230 (levels of calibration); Davis et al. 2017, JAMIA
24:1052–1061 (how models drift, and which updating mends it); Debray et al. 2017, BMJ 356:i6460
(observed over expected); Guillory et al. 2021, ICCV (estimates from confidence).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from medpipe.evaluation import calibration, intervals
from medpipe.evaluation.delong import area
from medpipe.evaluation.sample import Floats, Sample
from medpipe.monitoring import drift
from medpipe.monitoring.policy import MonitorParams
from medpipe.monitoring.windows import ALL, Part

Name = Literal["auroc", "observed_expected", "brier", "estimated_auroc"]
_RESAMPLES = 200
_SEED = 5


@dataclass(frozen=True)
class Known:
    """Answers of which it is known how they turned out.

    Parameters
    ----------
    risks, outcomes : (N,)
    """

    risks: Floats
    outcomes: NDArray[np.bool_]

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Known:
        return Known(self.risks[chosen], self.outcomes[chosen])

    def why_not(self, policy: MonitorParams) -> str:
        """Why they are too few to be judged; empty where they are enough."""
        count, cases = len(self.outcomes), int(self.outcomes.sum())
        if count < policy.min_outcomes:
            return f"{count} outcomes known, {policy.min_outcomes} are needed"
        fewest = min(cases, count - cases)
        if fewest < policy.min_cases:
            return (
                f"{cases} of {count} outcomes are positive, and {policy.min_cases} of each kind "
                "are needed"
            )
        return ""


@dataclass(frozen=True)
class Promise:
    """What the report says of one metric."""

    value: float
    error: float

    @classmethod
    def of(cls, metrics: Mapping[str, Any], name: str, *, confidence: float) -> Promise | None:
        """That of `name` in `metrics` of a report; None where it has none, or no interval."""
        found = metrics.get(name) or {}
        value, low, high = (found.get(key) for key in ("value", "low", "high"))
        if value is None or low is None or high is None:
            return None
        return cls(value, (high - low) / (2 * intervals.z_score(confidence)))


@dataclass(frozen=True)
class Measured:
    """One metric of the answers beside its promise.

    Parameters
    ----------
    whom : all answers, or which site or subgroup
    question : which class or label; empty where there is one
    p : that it is no worse than promised; corrected once it went through `corrected`
    worse : by more than its margin, whatever the p says
    """

    whom: Part
    question: str
    name: Name
    value: float
    low: float | None
    high: float | None
    promised: float
    answers: int
    cases: int | None
    p: float
    worse: bool


def measured(
    known: Known,
    promises: Mapping[str, Any],
    policy: MonitorParams,
    *,
    whom: Part,
    question: str,
    confidence: float,
) -> tuple[Measured, ...]:
    """What is known of how the answers did; `promises` are metrics of the report."""
    sample = Sample.of(known.outcomes.astype(int), known.risks, np.arange(len(known.risks)))
    found = (
        _auroc(sample, promises, policy, confidence),
        _observed(sample, promises, policy, confidence),
        _brier(sample, promises, policy, confidence),
    )
    return tuple(replace(one, whom=whom, question=question) for one in found if one is not None)


def corrected(found: Sequence[Measured]) -> tuple[Measured, ...]:
    """The same, each p corrected for all the others."""
    p = drift.holm([one.p for one in found]).tolist()
    return tuple(replace(one, p=value) for one, value in zip(found, p, strict=True))


def estimated(
    risks: Floats,
    promises: Mapping[str, Any],
    policy: MonitorParams,
    *,
    question: str,
    confidence: float,
) -> Measured | None:
    """The AUROC to be expected if every one of `risks` (N,) is right; None where nothing is."""
    promise = Promise.of(promises, "auroc", confidence=confidence)
    if promise is None or len(risks) < policy.min_answers:
        return None
    value = expected_auroc(risks)
    rng = np.random.default_rng(_SEED)
    draws = np.array([expected_auroc(rng.choice(risks, len(risks))) for _ in range(_RESAMPLES)])
    found = intervals.percentile(value, draws, confidence=confidence)
    p = _below(promise.value - value, promise.error, float(draws.std()))
    return Measured(
        whom=ALL,
        question=question,
        name="estimated_auroc",
        value=value,
        low=found.low,
        high=found.high,
        promised=promise.value,
        answers=len(risks),
        cases=None,
        p=p,
        worse=promise.value - value >= policy.auroc_margin,
    )


def expected_auroc(risks: Floats) -> float:
    """Expected pairs in the right order over expected pairs, of `risks` (N,); ties count half."""
    p, count = np.unique(risks, return_counts=True)
    positive, negative = count * p, count * (1 - p)
    alone = count * p * (1 - p)  # nobody is a pair of one
    below = np.cumsum(negative) - negative
    won = (positive * below).sum() + (positive * negative - alone).sum() / 2
    pairs = positive.sum() * negative.sum() - alone.sum()
    return float(won / pairs) if pairs > 0 else float("nan")


def _auroc(
    sample: Sample, promises: Mapping[str, Any], policy: MonitorParams, confidence: float
) -> Measured | None:
    promise = Promise.of(promises, "auroc", confidence=confidence)
    found = area(sample.labels, sample.scores, sample.groups, group_count=sample.group_count)
    if promise is None or found is None or found.error is None:
        return None
    interval = intervals.of_area(found, confidence=confidence)
    lost = promise.value - found.value
    p = _below(lost, promise.error, found.error)
    worse = lost >= policy.auroc_margin
    return _measured("auroc", sample, interval, promise.value, p=p, worse=worse)


def _observed(
    sample: Sample, promises: Mapping[str, Any], policy: MonitorParams, confidence: float
) -> Measured | None:
    """By the calibration intercept, whose promise has an error of its own."""
    found = calibration.intercept(sample)
    promise = Promise.of(promises, "calibration_intercept", confidence=confidence)
    if found is None or promise is None:
        return None
    expected = float(sample.scores.mean())
    share = sample.positives / len(sample)
    low, high = intervals.wilson(share, len(sample), confidence=confidence)
    ratio = share / expected
    interval = intervals.Estimate(ratio, low / expected, high / expected)
    gap = found.value - promise.value
    p = 2 * _below(abs(gap), promise.error, found.error)
    # A release that was off by this much from its first day has not changed.
    worse = gap * math.log(ratio) > 0 and abs(math.log(ratio)) >= math.log1p(policy.observed_margin)
    return _measured("observed_expected", sample, interval, 1.0, p=p, worse=worse)


def _brier(
    sample: Sample, promises: Mapping[str, Any], policy: MonitorParams, confidence: float
) -> Measured | None:
    promise = Promise.of(promises, "brier", confidence=confidence)
    if promise is None:
        return None
    squares = (sample.scores - sample.labels.astype(np.float64)) ** 2
    value, error = float(squares.mean()), float(squares.std(ddof=1) / np.sqrt(len(sample)))
    reach = intervals.z_score(confidence) * error
    interval = intervals.Estimate(value, max(0.0, value - reach), value + reach)
    more = value - promise.value
    p = _below(more, promise.error, error)
    worse = more >= policy.brier_margin
    return _measured("brier", sample, interval, promise.value, p=p, worse=worse)


def _measured(
    name: Name,
    sample: Sample,
    found: intervals.Estimate,
    promised: float,
    *,
    p: float,
    worse: bool,
) -> Measured:
    return Measured(
        whom=ALL,
        question="",
        name=name,
        value=float(found.value or 0.0),
        low=found.low,
        high=found.high,
        promised=promised,
        answers=len(sample),
        cases=sample.positives,
        p=p,
        worse=worse,
    )


def _below(loss: float, *errors: float) -> float:
    """One-sided p of a `loss` that is the difference of two estimates with `errors`."""
    error = math.hypot(*errors)
    return float(ndtr(-loss / error)) if error > 0 else float(loss <= 0)
