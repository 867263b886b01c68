"""The operating point: how it is chosen, and what it does to patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medpipe.config import ThresholdParams
from medpipe.errors import DataError
from medpipe.evaluation.discrimination import roc_curve
from medpipe.evaluation.sample import Counts, Floats, Sample, ratio


@dataclass(frozen=True)
class Confusion:
    """Weights of the four cells at one threshold, (R,) each; flagged: at or above the threshold."""

    true_positives: Floats
    false_positives: Floats
    false_negatives: Floats
    true_negatives: Floats

    @property
    def total(self) -> Floats:
        return (
            self.true_positives + self.false_positives + self.false_negatives + self.true_negatives
        )


def confusion(counts: Counts, threshold: float) -> Confusion:
    """The four cells when everything at or above `threshold` is called positive."""
    flagged = (counts.scores >= threshold).astype(np.float64)  # (K,)
    found, false = counts.positives @ flagged, counts.negatives @ flagged  # (R,)
    missed = counts.positives.sum(axis=1) - found
    return Confusion(found, false, missed, counts.negatives.sum(axis=1) - false)


def sensitivity(cells: Confusion) -> Floats:
    """Share of the positives that are flagged, (R,)."""
    return ratio(cells.true_positives, cells.true_positives + cells.false_negatives)


def specificity(cells: Confusion) -> Floats:
    """Share of the negatives that are not flagged, (R,)."""
    return ratio(cells.true_negatives, cells.true_negatives + cells.false_positives)


def ppv(cells: Confusion) -> Floats:
    """Share of the flagged that are positive, (R,)."""
    return ratio(cells.true_positives, cells.true_positives + cells.false_positives)


def npv(cells: Confusion) -> Floats:
    """Share of the not flagged that are negative, (R,)."""
    return ratio(cells.true_negatives, cells.true_negatives + cells.false_negatives)


def accuracy(cells: Confusion) -> Floats:
    """Share of all examples that are called rightly, (R,)."""
    return ratio(cells.true_positives + cells.true_negatives, cells.total)


def f1(cells: Confusion) -> Floats:
    """Harmonic mean of sensitivity and PPV, (R,); nan with nothing flagged and nothing positive."""
    errors = cells.false_positives + cells.false_negatives
    return ratio(2 * cells.true_positives, 2 * cells.true_positives + errors)


def min_se_ppv(cells: Confusion) -> Floats:
    """The lower of sensitivity and PPV, (R,): neither misses nor false alarms can buy it.

    References
    ----------
    Silva et al. 2012, Computing in Cardiology 39:245–248 (Event 1 of the PhysioNet challenge).
    """
    lower: Floats = np.minimum(sensitivity(cells), ppv(cells))
    return lower


def net_benefit(cells: Confusion, threshold: float) -> Floats:
    """True positives gained per example, less false alarms at the odds of the threshold, (R,).

    A threshold of 0.2 says that one found patient is worth four false alarms. nan from 1 upwards.

    References
    ----------
    Vickers & Elkin 2006, Medical Decision Making 26:565–574.
    """
    if threshold >= 1:
        return np.full_like(cells.total, np.nan)
    odds = threshold / (1 - threshold)
    return ratio(cells.true_positives - cells.false_positives * odds, cells.total)


def choose(sample: Sample, rule: ThresholdParams) -> float:
    """The threshold that `rule` picks from the scores of `sample` (the validation split).

    sensitivity: the highest score whose sensitivity reaches ``rule.at``; specificity: the lowest;
    youden: the highest sum of both (of equals, the lower threshold, which misses fewer); fixed:
    ``at``.

    Raises
    ------
    DataError : the split lacks the class that the rule counts
    """
    if rule.rule == "fixed":
        return rule.at
    _demand_classes(sample, rule.rule)
    false, found, thresholds = roc_curve(sample.counts())
    finite = np.r_[np.nextafter(thresholds[1], np.inf), thresholds[1:]]  # the first flags nobody
    if rule.rule == "sensitivity":
        return float(finite[np.argmax(found >= rule.at)])
    if rule.rule == "specificity":
        return float(finite[np.flatnonzero(1 - false >= rule.at)[-1]])
    youden = np.round(found - false, 12)  # equal sums must not differ in their last bit
    return float(finite[np.flatnonzero(youden == youden.max())[-1]])


def _demand_classes(sample: Sample, rule: str) -> None:
    missing = [
        name
        for name, count, rules in (
            ("positive", sample.positives, ("sensitivity", "youden")),
            ("negative", sample.negatives, ("specificity", "youden")),
        )
        if count == 0 and rule in rules
    ]
    if missing:
        raise DataError(
            f"val has no {' and no '.join(missing)} among its {len(sample)} examples, so rule "
            f"{rule!r} cannot choose a threshold; raise split.val, add patients, or set "
            "evaluate.threshold.rule: fixed"
        )
