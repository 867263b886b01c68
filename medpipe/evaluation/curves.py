"""The curves of a report, thinned to what an eye can tell apart, and as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medpipe.evaluation import calibration, discrimination, threshold
from medpipe.evaluation.sample import Floats, Sample

_POINTS = 200
"""Most points of a curve; more are not seen and make the page heavy."""
_RISKS = np.arange(1, 100) / 100
"""Thresholds of the decision curve."""


@dataclass(frozen=True)
class Curves:
    """What both the CSV files and the pictures show, thinned to what an eye can tell apart."""

    false_positives: Floats
    true_positives: Floats
    roc_thresholds: Floats
    recall: Floats
    precision: Floats
    pr_thresholds: Floats
    bins: calibration.Bins
    risks: Floats
    net_benefit: Floats
    treat_all: Floats
    cells: dict[str, int]
    prevalence: float
    at: float


def curves(sample: Sample, *, at: float) -> Curves:
    """The curves of `sample` (both classes in it) with the operating point `at`."""
    counts = sample.counts()
    roc = thinned(discrimination.roc_curve(counts))
    pr = thinned(discrimination.pr_curve(counts))
    benefit = [threshold.net_benefit(threshold.confusion(counts, r), r)[0] for r in _RISKS]
    prevalence = sample.positives / len(sample)
    cells = threshold.confusion(counts, at)
    return Curves(
        *roc,
        *pr,
        calibration.reliability(sample),
        _RISKS,
        np.array(benefit),
        prevalence - (1 - prevalence) * _RISKS / (1 - _RISKS),
        {name: int(getattr(cells, name)[0]) for name in cells.__dataclass_fields__},
        prevalence,
        at,
    )


def tables(found: Curves) -> dict[str, tuple[Sequence[str], list[Sequence[Any]]]]:
    """`roc`, `pr`, `calibration` and `decision_curve`: header and rows."""
    finite = np.where(np.isfinite(found.roc_thresholds), found.roc_thresholds, 1.0)
    bins = found.bins
    return {
        "roc": (
            ("false_positive_share", "true_positive_share", "threshold"),
            list(zip(found.false_positives, found.true_positives, finite, strict=True)),
        ),
        "pr": (
            ("recall", "precision", "threshold"),
            list(zip(found.recall, found.precision, found.pr_thresholds, strict=True)),
        ),
        "calibration": (
            ("predicted", "observed", "examples"),
            list(zip(bins.predicted, bins.observed, bins.examples, strict=True)),
        ),
        "decision_curve": (("threshold", "strategy", "net_benefit"), list(_decisions(found))),
    }


def thinned(curve: tuple[Floats, Floats, Floats]) -> tuple[Floats, Floats, Floats]:
    """At most `_POINTS` points, evenly along the curve's own length, ends kept."""
    x, y, at = curve
    along = np.r_[0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))]
    wanted = np.linspace(0, along[-1], _POINTS)
    kept = np.unique(np.r_[0, np.searchsorted(along, wanted), len(x) - 1])
    kept = kept[kept < len(x)]
    return x[kept], y[kept], at[kept]


def _decisions(found: Curves) -> Iterable[Sequence[Any]]:
    for risk, model, everyone in zip(found.risks, found.net_benefit, found.treat_all, strict=True):
        yield risk, "model", model
        yield risk, "act on all", everyone
        yield risk, "act on none", 0.0
