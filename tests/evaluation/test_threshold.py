"""The operating point is what the rule says, at the very edge."""

import numpy as np
import pytest

from medpipe.config import ThresholdParams
from medpipe.errors import DataError
from medpipe.evaluation.sample import Sample
from medpipe.evaluation.threshold import choose

#                 negatives 0.1 0.2 0.3 0.6, positives 0.25 0.4 0.5 0.7 0.8
LABELS = [0, 0, 0, 0, 1, 1, 1, 1, 1]
SCORES = [0.1, 0.2, 0.3, 0.6, 0.25, 0.4, 0.5, 0.7, 0.8]
VAL = Sample.of(LABELS, SCORES, range(9))


@pytest.mark.parametrize(
    ("rule", "at", "expected"),
    [
        ("sensitivity", 0.8, 0.4),  # 0.4 finds 4 of 5; 0.5 only 3
        ("sensitivity", 0.81, 0.25),  # 4 of 5 no longer suffice
        ("sensitivity", 1.0, 0.25),
        ("specificity", 0.75, 0.4),  # leaves 0.1 0.2 0.3 alone
        ("specificity", 0.5, 0.25),
        ("youden", 0.5, 0.4),  # 4/5 + 3/4 = 1.55, the most
        ("fixed", 0.37, 0.37),
    ],
)
def test_rule_gives_the_threshold_worked_by_hand(rule, at, expected):
    assert choose(VAL, ThresholdParams(rule=rule, at=at)) == expected


def test_specificity_of_one_flags_nobody_below_the_highest_negative():
    sample = Sample.of([1, 0], [0.2, 0.9], [0, 1])
    chosen = choose(sample, ThresholdParams(rule="specificity", at=1.0))
    assert 0.9 < chosen < 0.9 + 1e-9


def test_sensitivity_holds_whatever_the_scores():
    rng = np.random.default_rng(0)
    for _ in range(50):
        labels, scores = np.r_[1, rng.random(30) < 0.3], np.round(rng.random(31), 1)
        at = rng.random()
        chosen = choose(Sample.of(labels, scores, range(31)), ThresholdParams(at=at))
        positives = scores[labels == 1]
        assert (positives >= chosen).mean() >= at
        higher = positives[positives > chosen]
        assert not len(higher) or (positives >= higher.min()).mean() < at


@pytest.mark.parametrize(
    ("rule", "label", "missing"),
    [("sensitivity", 0, "positive"), ("specificity", 1, "negative"), ("youden", 1, "negative")],
)
def test_rule_without_its_class_says_what_to_do(rule, label, missing):
    with pytest.raises(DataError, match=f"val has no {missing}.*split.val"):
        choose(Sample.of([label] * 3, [0.1, 0.2, 0.3], [1, 2, 3]), ThresholdParams(rule=rule))
