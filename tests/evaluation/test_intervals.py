"""Intervals against second implementations, at the edges, and by how often they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from medpipe.evaluation import intervals, metrics
from medpipe.evaluation.delong import area
from medpipe.evaluation.sample import Sample, group_weights

TRUE_AUROC = stats.norm.cdf(1.2 / np.sqrt(2 * (1 + 0.5)))
"""Positives score 1.2 higher; patient and image add normal noise of variance 0.5 and 1."""


def patients(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, scores and groups of `count` patients with 1…4 images each, all of one label."""
    groups = np.repeat(np.arange(count), rng.integers(1, 5, count))
    ill = rng.random(count) < 0.5
    noise = np.sqrt(0.5) * rng.normal(size=count)[groups] + rng.normal(size=len(groups))
    return ill[groups], stats.norm.cdf(1.2 * ill[groups] + noise), groups


def brute_delong(labels: np.ndarray, scores: np.ndarray) -> float:
    """DeLong's variance from the definition, pair by pair."""
    positive, negative = scores[labels], scores[~labels]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    return wins.mean(1).var(ddof=1) / len(positive) + wins.mean(0).var(ddof=1) / len(negative)


def test_area_of_single_examples_has_delongs_variance():
    rng = np.random.default_rng(1)
    labels, scores = rng.random(80) < 0.4, np.round(rng.random(80), 1)
    found = area(labels, scores, np.arange(80), group_count=80)
    assert found is not None
    assert found.error**2 == pytest.approx(brute_delong(labels, scores))


def test_copies_of_an_image_leave_the_interval_as_it_was():
    rng = np.random.default_rng(2)
    labels, scores, groups = rng.random(60) < 0.5, rng.random(60), np.arange(60)
    once = metrics.auroc(Sample.of(labels, scores, groups), confidence=0.95)
    thrice = [np.tile(column, 3) for column in (labels, scores, groups)]
    again = metrics.auroc(Sample.of(*thrice), confidence=0.95)
    assert (again.low, again.high) == pytest.approx((once.low, once.high))


def test_clustered_error_agrees_with_resampling_patients():
    labels, scores, groups = patients(np.random.default_rng(3), 150)
    sample = Sample.of(labels, scores, groups)
    found = area(sample.labels, sample.scores, sample.groups, group_count=150)
    draws = intervals.bootstrap(
        sample, {"auroc": metrics.metric("auroc", at=0.5)}, resamples=2000, seed=1
    )
    assert found is not None
    assert found.error == pytest.approx(draws["auroc"].std(), rel=0.1)


def test_auroc_interval_holds_the_truth_in_about_95_of_100():
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(600):
        found = metrics.auroc(Sample.of(*patients(rng, 60)), confidence=0.95)
        held += found.low <= TRUE_AUROC <= found.high
    assert 0.925 < held / 600 < 0.975  # three standard errors of 600 repeats are 2.7 points


def test_auroc_interval_that_ignores_patients_is_too_narrow():
    labels, scores, groups = patients(np.random.default_rng(5), 100)
    by_patient = metrics.auroc(Sample.of(labels, scores, groups), confidence=0.95)
    by_image = metrics.auroc(Sample.of(labels, scores, np.arange(len(groups))), confidence=0.95)
    assert by_patient.high - by_patient.low > 1.1 * (by_image.high - by_image.low)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.97])
def test_proportion_interval_holds_the_truth_in_about_95_of_100(share):
    rng = np.random.default_rng(6)
    everyone, held = np.ones(120, dtype=bool), 0
    for _ in range(800):
        # 60 patients with two images: in 40 % of patients the second is a copy of the first
        first, second = rng.random((2, 60)) < share
        hits = np.r_[first, np.where(rng.random(60) < 0.4, first, second)]
        sample = Sample(everyone, np.zeros(120), np.tile(np.arange(60), 2))
        found = intervals.of_proportion(sample, hits, everyone, confidence=0.95)
        held += found.low <= share <= found.high
    assert 0.92 < held / 800 < 0.985


def test_bootstrap_interval_of_brier_holds_the_truth_in_about_95_of_100():
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(200):
        risk = rng.random(150)  # uniform and calibrated: E[p(1 − p)] = 1/6
        sample = Sample.of(rng.random(150) < risk, risk, np.arange(150))
        brier = metrics.metric("brier", at=0.5)
        draws = intervals.bootstrap(sample, {"brier": brier}, resamples=200, seed=0)["brier"]
        found = intervals.percentile(float(brier(sample.counts())[0]), draws, confidence=0.95)
        held += found.low <= 1 / 6 <= found.high
    assert 0.90 < held / 200 < 0.99


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (7, 20), (20, 20)])
def test_wilson_agrees_with_scipy(hits, n):
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    found = intervals.wilson(hits / n, n, confidence=0.95)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_perfect_proportion_counts_patients_and_not_images():
    groups = np.repeat(np.arange(10), 5)
    everyone = np.ones(50, dtype=bool)
    sample = Sample(everyone, np.zeros(50), groups)
    found = intervals.of_proportion(sample, everyone, everyone, confidence=0.95)
    expected = stats.binomtest(10, 10).proportion_ci(method="wilson").low
    assert (found.low, found.high) == (pytest.approx(expected), 1.0)


def test_perfect_area_has_the_bound_of_disjoint_pairs():
    # 8 patients with, 5 without: 5 pairs that share nobody; 0.025 ** (1/5)
    labels = np.r_[np.ones(8), np.zeros(5)]
    found = metrics.auroc(Sample.of(labels, labels, np.arange(13)), confidence=0.95)
    clopper = stats.binomtest(5, 5).proportion_ci(method="exact").low
    assert (found.value, found.low, found.high) == (1.0, pytest.approx(clopper), 1.0)


def test_perfect_auprc_still_has_an_interval():
    labels = np.r_[np.ones(8), np.zeros(5)]
    sample = Sample.of(labels, labels, np.arange(13))
    found = metrics.measure(sample, at=0.5, confidence=0.95, resamples=100, seed=0)
    assert found["auprc"]["value"] == 1
    assert 0.5 < found["auprc"]["low"] < 0.9


def test_resamples_that_lose_a_class_are_left_out_or_end_the_interval():
    few = np.r_[np.full(30, np.nan), np.linspace(0, 1, 970)]
    many = np.r_[np.full(80, np.nan), np.linspace(0, 1, 920)]
    assert intervals.percentile(0.5, few, confidence=0.9).low == pytest.approx(0.05)
    assert "80 of 1000" in intervals.percentile(0.5, many, confidence=0.9).undefined


def test_error_interval_is_reflected_holds_the_estimate_and_stays_above_zero():
    draws = np.linspace(0.03, 0.07, 1001)  # biased upwards, as resampled errors are
    found = intervals.reflected(0.03, draws, confidence=0.95)
    assert (found.low, found.high) == (0.0, pytest.approx(0.03))


def test_resampling_draws_whole_patients():
    groups = np.repeat(np.arange(7), [1, 2, 3, 4, 5, 6, 7])
    sample = Sample.of(np.zeros(28), np.linspace(0, 1, 28), groups)
    weights = np.concatenate(
        list(group_weights(sample.group_count, rows=len(sample), resamples=50, seed=0))
    )
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert len(np.unique(weights, axis=0)) > 40


def test_resamples_do_not_depend_on_how_they_are_cut(monkeypatch):
    sample = Sample.of([0, 1, 0, 1], [0.1, 0.4, 0.5, 0.9], [0, 1, 2, 3])
    whole = np.concatenate(
        list(group_weights(sample.group_count, rows=len(sample), resamples=40, seed=3))
    )
    monkeypatch.setattr("medpipe.evaluation.sample._CELLS", 8)
    pieces = list(group_weights(sample.group_count, rows=len(sample), resamples=40, seed=3))
    assert len(pieces) == 20
    assert np.concatenate(pieces).sum() == whole.sum() == 160
