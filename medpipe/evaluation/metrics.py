"""Every metric of the binary objective, with its interval: `splits.*.metrics` of a report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from medpipe.errors import ParamsError
from medpipe.evaluation import calibration, discrimination, intervals, threshold
from medpipe.evaluation.delong import area
from medpipe.evaluation.intervals import Estimate
from medpipe.evaluation.sample import Counts, Floats, Sample

BETTER: dict[str, Literal["higher", "lower", "one", "zero"]] = {
    "auroc": "higher",
    "auprc": "higher",
    "sensitivity": "higher",
    "specificity": "higher",
    "ppv": "higher",
    "npv": "higher",
    "f1": "higher",
    "min_se_ppv": "higher",
    "accuracy": "higher",
    "net_benefit": "higher",
    "brier": "lower",
    "ece": "lower",
    "calibration_slope": "one",
    "calibration_intercept": "zero",
}
"""Each metric and where its best value lies; there is no default direction."""

METHODS = {
    "auroc": "DeLong's variance clustered by patient (Obuchowski 1997), logit scale",
    "proportions": "Wilson's score interval on the effective number of examples",
    "auprc, brier, net_benefit": "percentile bootstrap of patients",
    "ece": f"equal-mass error over {calibration.BINS} bins; basic bootstrap of patients",
    "calibration_slope, calibration_intercept": "sandwich variance clustered by patient",
}
"""How the intervals were made, for the report."""

_CELLS: dict[str, Callable[[threshold.Confusion], Floats]] = {
    name: getattr(threshold, name)
    for name in ("sensitivity", "specificity", "ppv", "npv", "accuracy", "f1", "min_se_ppv")
}


def metric(name: str, *, at: float) -> Callable[[Counts], Floats]:
    """The metric `name` as a function of counts, with the threshold `at` where it needs one.

    Raises
    ------
    ParamsError : no such metric, or one that is a regression coefficient rather than a count
    """
    if name in _CELLS:
        return lambda counts: _CELLS[name](threshold.confusion(counts, at))
    if name == "net_benefit":
        return lambda counts: threshold.net_benefit(threshold.confusion(counts, at), at)
    counted = {
        "auroc": discrimination.auroc,
        "auprc": discrimination.auprc,
        "brier": calibration.brier,
        "ece": calibration.ece,
    }
    if name not in counted:
        known = ", ".join([*counted, *_CELLS, "net_benefit"])
        raise ParamsError(f"no metric {name!r} can be compared; there are: {known}")
    return counted[name]


def measure(
    sample: Sample, *, at: float, confidence: float, resamples: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Each metric of `sample` at threshold `at`, as JSON: value, interval, or why there is none."""
    proportions = _proportions(sample, at, confidence)
    estimates = {
        "auroc": auroc(sample, confidence=confidence),
        **proportions,
        "min_se_ppv": _lower(proportions["sensitivity"], proportions["ppv"]),
        "f1": _f1(sample, at, confidence),
        **_resampled(sample, at, confidence, resamples, seed),
        "calibration_slope": _coefficient(calibration.slope(sample), confidence),
        "calibration_intercept": _coefficient(calibration.intercept(sample), confidence),
    }
    return {name: estimates[name].as_json() for name in BETTER}


def auroc(sample: Sample, *, confidence: float) -> Estimate:
    """AUROC with THE interval of it."""
    found = area(sample.labels, sample.scores, sample.groups, group_count=sample.group_count)
    if found is None:
        return Estimate(None, undefined=_one_class(sample))
    return intervals.of_area(found, confidence=confidence)


def _one_class(sample: Sample) -> str:
    return f"{sample.positives} positive and {sample.negatives} negative examples: both are needed"


def _proportions(sample: Sample, at: float, confidence: float) -> dict[str, Estimate]:
    labels, flagged = sample.labels, sample.scores >= at
    everyone = np.ones(len(sample), dtype=bool)
    shares = {
        "sensitivity": (flagged, labels),
        "specificity": (~flagged, ~labels),
        "ppv": (labels, flagged),
        "npv": (~labels, ~flagged),
        "accuracy": (labels == flagged, everyone),
    }
    return {
        name: intervals.of_proportion(sample, hits, among, confidence=confidence)
        for name, (hits, among) in shares.items()
    }


def _lower(first: Estimate, second: Estimate) -> Estimate:
    """The lower of two proportions; its bounds are the lower of theirs, as either may be it."""
    found = np.array([[e.value, e.low, e.high] for e in (first, second)], dtype=np.float64)
    if np.isnan(found).any():
        return Estimate(None, undefined="sensitivity or PPV is undefined")
    return Estimate(*found.min(axis=0).tolist())


def _f1(sample: Sample, at: float, confidence: float) -> Estimate:
    """F1 = 2J/(1 + J) of the Jaccard index J, which is a proportion with its interval."""
    flagged = sample.scores >= at
    jaccard = intervals.of_proportion(
        sample, flagged & sample.labels, flagged | sample.labels, confidence=confidence
    )
    if jaccard.value is None or jaccard.low is None or jaccard.high is None:
        return Estimate(None, undefined="nothing is positive and nothing is flagged")
    value, low, high = (2 * j / (1 + j) for j in (jaccard.value, jaccard.low, jaccard.high))
    return Estimate(value, low, high)


def _resampled(
    sample: Sample, at: float, confidence: float, resamples: int, seed: int
) -> dict[str, Estimate]:
    """The metrics whose interval is a bootstrap, all over the same resamples."""
    chosen = {name: metric(name, at=at) for name in ("auprc", "brier", "ece", "net_benefit")}
    if not len(sample):
        return dict.fromkeys(chosen, Estimate(None, undefined="no examples"))
    values = {name: float(function(sample.counts())[0]) for name, function in chosen.items()}
    draws = intervals.bootstrap(sample, chosen, resamples=resamples, seed=seed)
    found = {
        name: (intervals.reflected if name == "ece" else intervals.percentile)(
            value, draws[name], confidence=confidence
        )
        for name, value in values.items()
        if np.isfinite(value)
    }
    if values["auprc"] == 1:
        groups = len(np.unique(sample.groups[sample.labels]))
        found["auprc"] = Estimate(1.0, *intervals.wilson(1.0, groups, confidence=confidence))
    reasons = {
        "auprc": "no positive example",
        "net_benefit": "a threshold of 1 or more has no odds",
    }
    return {
        name: found.get(name, Estimate(None, undefined=reasons.get(name, "no examples")))
        for name in chosen
    }


def _coefficient(found: calibration.Coefficient | None, confidence: float) -> Estimate:
    if found is None:
        return Estimate(
            None,
            undefined="no finite coefficient: one class or patient, or classes without overlap",
        )
    reach = intervals.z_score(confidence) * found.error
    return Estimate(found.value, found.value - reach, found.value + reach)
