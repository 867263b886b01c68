"""How well scores order the positives above the negatives, whatever the threshold."""

from __future__ import annotations

import numpy as np

from medpipe.evaluation.sample import Counts, Floats, ratio

_NOTHING = 1e-300


def auroc(counts: Counts) -> Floats:
    """Area under the ROC curve, (R,): the chance that a positive outscores a negative, ties half.

    nan where a resample lacks one class.

    References
    ----------
    Hanley & McNeil 1982, Radiology 143:29–36 (the area is the Mann–Whitney statistic).
    """
    below = np.cumsum(counts.negatives, axis=1) - counts.negatives / 2  # (R, K)
    concordant = (counts.positives * below).sum(axis=1)
    return ratio(concordant, counts.positives.sum(axis=1) * counts.negatives.sum(axis=1))


def auprc(counts: Counts) -> Floats:
    """Average precision, (R,): precision at each score, weighted by the recall that it adds.

    A step function, not the trapezoid, which is too optimistic. nan where there is no positive.

    References
    ----------
    Davis & Goadrich 2006, ICML (no linear interpolation between points of precision and recall).
    """
    found = np.cumsum(counts.positives[:, ::-1], axis=1)[:, ::-1]  # (R, K) at or above the score
    flagged = found + np.cumsum(counts.negatives[:, ::-1], axis=1)[:, ::-1]
    np.maximum(flagged, _NOTHING, out=flagged)  # where nothing is flagged, nothing is found either
    return ratio((counts.positives * found / flagged).sum(axis=1), counts.positives.sum(axis=1))


def roc_curve(counts: Counts) -> tuple[Floats, Floats, Floats]:
    """False positive share, true positive share, threshold: (K + 1,) each, (0, 0) to (1, 1)."""
    found, false = _above(counts)
    return (
        ratio(false, counts.negatives[0].sum()),
        ratio(found, counts.positives[0].sum()),
        np.r_[np.inf, counts.scores[::-1]],
    )


def pr_curve(counts: Counts) -> tuple[Floats, Floats, Floats]:
    """Recall, precision and threshold, each (K,), thresholds descending."""
    found, false = (side[1:] for side in _above(counts))
    return ratio(found, counts.positives[0].sum()), ratio(found, found + false), counts.scores[::-1]


def _above(counts: Counts) -> tuple[Floats, Floats]:
    """Positives and negatives at or above each threshold, (K + 1,), the first above all scores."""
    found = np.r_[0.0, np.cumsum(counts.positives[0, ::-1])]
    return found, np.r_[0.0, np.cumsum(counts.negatives[0, ::-1])]
