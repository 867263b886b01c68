"""A paired comparison sees what two separate intervals cannot."""

import numpy as np
import pytest

from medpipe.errors import DataError
from medpipe.evaluation.compare import paired


def two_models(
    rng: np.random.Generator, *, patients: int = 200, better: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels, groups, and scores of two models that see the same evidence through own noise."""
    groups = np.repeat(np.arange(patients), 2)
    labels = (rng.random(patients) < 0.5)[groups]
    shared = 1.5 * labels + rng.normal(size=patients)[groups]
    first = shared + better * labels + 0.3 * rng.normal(size=len(groups))
    second = shared + 0.3 * rng.normal(size=len(groups))
    return labels, groups, 1 / (1 + np.exp(-first)), 1 / (1 + np.exp(-second))


def test_a_model_against_itself_differs_by_nothing():
    labels, groups, scores, _ = two_models(np.random.default_rng(0))
    found = paired(labels, groups, scores, scores)
    assert (found["difference"], found["low"], found["high"]) == (0, 0, 0)


def test_even_a_perfect_model_does_not_differ_from_itself():
    found = paired([0, 0, 1, 1], [1, 2, 3, 4], [0.1, 0.2, 0.8, 0.9], [0.1, 0.2, 0.8, 0.9])
    assert (found["low"], found["high"]) == (0, 0)


def test_two_perfect_models_are_not_proved_equal_by_four_patients():
    found = paired([0, 0, 1, 1], [1, 2, 3, 4], [0.1, 0.2, 0.8, 0.9], [0.2, 0.1, 0.7, 0.9])
    assert found["difference"] == 0
    assert found["low"] < -0.5 < 0.5 < found["high"]


@pytest.mark.parametrize("metric", ["auroc", "auprc", "brier", "sensitivity"])
def test_swapping_the_models_mirrors_the_interval(metric):
    labels, groups, first, second = two_models(np.random.default_rng(1), better=0.4)
    one = paired(labels, groups, first, second, metric=metric)
    other = paired(labels, groups, second, first, metric=metric)
    assert one["difference"] == pytest.approx(-other["difference"])
    assert one["low"] == pytest.approx(-other["high"], abs=1e-12)


def test_interval_holds_no_difference_in_about_95_of_100():
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(400):
        found = paired(*two_models(rng, patients=60))
        held += found["low"] <= 0 <= found["high"]
    assert 0.915 < held / 400 < 0.98


def test_pairing_finds_a_difference_that_is_there():
    found = paired(*two_models(np.random.default_rng(3), better=0.6))
    assert found["low"] > 0
    assert found["better"] == "higher"
    assert found["candidate"] - found["champion"] == pytest.approx(found["difference"])


def test_delong_and_resampling_agree_on_the_difference():
    labels, groups, first, second = two_models(np.random.default_rng(4), better=0.3)
    closed = paired(labels, groups, first, second)
    from medpipe.evaluation.compare import _resampled
    from medpipe.evaluation.sample import Sample

    samples = (Sample.of(labels, first, groups), Sample.of(labels, second, groups))
    _, drawn = _resampled(samples, "auroc", (0.5, 0.5), 0.95, 1500, 0)
    assert drawn.value == pytest.approx(closed["difference"])
    assert drawn.high - drawn.low == pytest.approx(closed["high"] - closed["low"], rel=0.15)


def test_each_model_is_judged_at_its_own_threshold():
    labels, groups = np.array([1, 1, 0, 0]), np.arange(4)
    scores = np.array([0.9, 0.6, 0.3, 0.1])
    found = paired(labels, groups, scores, scores, metric="sensitivity", thresholds=(0.5, 0.7))
    assert (found["candidate"], found["champion"]) == (1.0, 0.5)


def test_one_class_is_undefined_and_not_an_error():
    found = paired([1, 1], [1, 2], [0.5, 0.6], [0.4, 0.7])
    assert found["difference"] is None
    assert found["undefined"] == "one class only"


def test_scores_of_other_rows_are_refused():
    with pytest.raises(DataError, match="2 scores and champion 3"):
        paired([0, 1], [0, 1], [0.1, 0.2], [0.1, 0.2, 0.3])
