"""Each metric against scikit-learn or numbers worked by hand, and the properties of all."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from medpipe.errors import DataError, ParamsError
from medpipe.evaluation import calibration, discrimination, metrics, threshold
from medpipe.evaluation.sample import Sample

COUNTED = ("auroc", "auprc", "brier", "ece", "sensitivity", "ppv", "f1", "accuracy", "net_benefit")


def scored(seed: int = 0, rows: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, scores with ties, groups."""
    rng = np.random.default_rng(seed)
    labels = rng.random(rows) < 0.4
    scores = np.round(1 / (1 + np.exp(-rng.normal(size=rows) - 1.5 * labels + 0.7)), 2)
    return labels, scores, rng.integers(0, rows // 2, rows)


def value(name: str, labels: np.ndarray, scores: np.ndarray, at: float = 0.5) -> float:
    sample = Sample.of(labels, scores, np.arange(len(labels)))
    return float(metrics.metric(name, at=at)(sample.counts())[0])


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("auroc", sk.roc_auc_score),
        ("auprc", sk.average_precision_score),
        ("brier", sk.brier_score_loss),
        ("sensitivity", lambda y, p: sk.recall_score(y, p >= 0.5)),
        ("specificity", lambda y, p: sk.recall_score(~y, p < 0.5)),
        ("ppv", lambda y, p: sk.precision_score(y, p >= 0.5)),
        ("npv", lambda y, p: sk.precision_score(~y, p < 0.5)),
        ("f1", lambda y, p: sk.f1_score(y, p >= 0.5)),
        ("accuracy", lambda y, p: sk.accuracy_score(y, p >= 0.5)),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_metric_agrees_with_scikit_learn(name, reference, seed):
    labels, scores, _ = scored(seed)
    assert value(name, labels, scores) == pytest.approx(reference(labels, scores), abs=1e-12)


@pytest.mark.parametrize("name", ["auroc", "auprc", "brier"])
def test_weighted_metric_agrees_with_scikit_learn(name):
    labels, scores, _ = scored()
    order = np.argsort(scores, kind="stable")
    labels, scores = labels[order], scores[order]
    weights = np.random.default_rng(5).integers(0, 4, len(labels)).astype(float)
    sample = Sample(labels, scores, np.arange(len(labels)))
    reference = {
        "auroc": sk.roc_auc_score,
        "auprc": sk.average_precision_score,
        "brier": sk.brier_score_loss,
    }[name]
    found = metrics.metric(name, at=0.5)(sample.counts(weights))[0]
    assert found == pytest.approx(reference(labels, scores, sample_weight=weights), abs=1e-12)


def test_net_benefit_by_hand():
    # 10 examples, 3 found, 2 false alarms at 0.2: 3/10 − 2/10 · 0.2/0.8 = 0.25
    labels = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    scores = np.array([0.9, 0.8, 0.2, 0.1, 0.7, 0.3, 0.1, 0.1, 0.0, 0.05])
    assert value("net_benefit", labels, scores, at=0.2) == pytest.approx(0.25)


def test_calibration_error_of_equal_mass_bins_by_hand():
    # 20 distinct scores fall two by two into ten bins; in each, one of two is positive.
    scores = np.arange(20) / 20
    labels = np.tile([0, 1], 10)
    bins = np.abs(0.5 - (scores[0::2] + scores[1::2]) / 2)
    assert value("ece", labels, scores) == pytest.approx(bins.mean())


def test_calibration_error_never_divides_equal_scores():
    # One score of 0.25 for all, one of four positive: no error, however the rows are ordered.
    assert value("ece", np.tile([1, 0, 0, 0], 10), np.full(40, 0.25)) == pytest.approx(0)


def test_calibration_slope_agrees_with_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    labels, scores, groups = scored(rows=500)
    scores = np.clip(scores, 0.01, 0.99)
    logits = np.log(scores / (1 - scores))[:, None]
    fitted = LogisticRegression(C=1e10, tol=1e-10, max_iter=1000).fit(logits, labels)
    found = calibration.slope(Sample.of(labels, scores, groups))
    assert found is not None
    assert found.value == pytest.approx(fitted.coef_[0, 0], rel=1e-4)


def test_calibration_intercept_undoes_a_shift_of_the_logits():
    rng = np.random.default_rng(2)
    truth = rng.normal(size=20_000)
    labels = rng.random(20_000) < 1 / (1 + np.exp(-truth))
    sample = Sample.of(labels, 1 / (1 + np.exp(-(truth - 0.8))), np.arange(20_000))
    found = calibration.intercept(sample)
    assert found is not None
    assert abs(found.value - 0.8) < 4 * found.error < 0.1


def test_temperature_recovers_overconfidence():
    rng = np.random.default_rng(3)
    truth = 2 * rng.normal(size=20_000)
    labels = rng.random(20_000) < 1 / (1 + np.exp(-truth))
    assert calibration.fit_temperature(labels, 3 * truth) == pytest.approx(3, rel=0.05)


def test_temperature_of_separated_classes_stays_finite():
    assert 0.05 < calibration.fit_temperature([0, 0, 0, 1, 1, 1], [-2, -3, -2, 2, 3, 2]) < 3


def test_temperature_refuses_one_class():
    with pytest.raises(DataError, match="0 positive and 3 negative"):
        calibration.fit_temperature([0, 0, 0], [1.0, 2.0, 3.0])


rows_strategy = st.lists(
    st.tuples(st.booleans(), st.integers(0, 20), st.integers(0, 6)), min_size=2, max_size=40
)


@settings(max_examples=40, deadline=None)
@given(rows_strategy, st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(rows, random):
    shuffled = random.sample(rows, len(rows))
    found = [
        metrics.measure(
            Sample.of([r[0] for r in some], [r[1] / 20 for r in some], [r[2] for r in some]),
            at=0.5,
            confidence=0.95,
            resamples=100,
            seed=1,
        )
        for some in (rows, shuffled)
    ]
    for name in found[0]:
        for key in ("value", "low", "high"):
            assert found[0][name][key] == pytest.approx(found[1][name][key], abs=1e-9), name


@settings(max_examples=40, deadline=None)
@given(rows_strategy, st.data())
def test_weights_are_repetition(rows, data):
    times = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    rows = sorted(rows, key=lambda r: (r[1], r[2], r[0]))
    labels, scores = np.array([r[0] for r in rows]), np.array([r[1] / 20 for r in rows])
    weighted = Sample.of(labels, scores, [r[2] for r in rows]).counts(np.array(times, dtype=float))
    copied = Sample.of(np.repeat(labels, times), np.repeat(scores, times), np.zeros(sum(times)))
    for name in COUNTED if sum(times) else ():
        function = metrics.metric(name, at=0.5)
        expected, found = function(copied.counts())[0], function(weighted)[0]
        assert found == pytest.approx(expected, abs=1e-9, nan_ok=True), name


@settings(max_examples=40, deadline=None)
@given(rows_strategy)
def test_auroc_and_auprc_survive_a_monotone_transform(rows):
    labels, scores = np.array([r[0] for r in rows]), np.array([r[1] / 20 for r in rows])
    for name in ("auroc", "auprc"):
        assert value(name, labels, scores**3) == pytest.approx(
            value(name, labels, scores), nan_ok=True
        )


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_gives_reasons_and_no_nan(label):
    sample = Sample.of(np.full(12, label), np.linspace(0.1, 0.9, 12), np.arange(12))
    found = metrics.measure(sample, at=0.5, confidence=0.95, resamples=100, seed=0)
    json.dumps(found, allow_nan=False)
    assert found["auroc"]["value"] is None
    assert "both are needed" in found["auroc"]["undefined"]


def test_empty_split_gives_reasons_for_everything():
    found = metrics.measure(Sample.of([], [], []), at=0.5, confidence=0.95, resamples=100, seed=0)
    assert all(entry["value"] is None and entry["undefined"] for entry in found.values())


def test_nothing_flagged_leaves_ppv_undefined():
    sample = Sample.of([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], [1, 2, 3, 4])
    found = metrics.measure(sample, at=0.9, confidence=0.95, resamples=100, seed=0)
    assert found["ppv"]["value"] is None
    assert found["ppv"]["among"] == 0
    assert found["sensitivity"]["value"] == 0


def test_scores_that_are_no_probabilities_are_refused():
    with pytest.raises(DataError, match=r"score of row 1 is nan"):
        Sample.of([0, 1], [0.5, np.nan], [0, 1])


def test_labels_other_than_0_and_1_are_refused():
    with pytest.raises(DataError, match="labels hold"):
        Sample.of([0, 2], [0.5, 0.5], [0, 1])


def test_unknown_metric_names_the_known_ones():
    with pytest.raises(ParamsError, match="auroc, auprc"):
        metrics.metric("calibration_slope", at=0.5)


def test_roc_curve_runs_from_nobody_to_everybody():
    labels, scores, groups = scored()
    false, found, at = discrimination.roc_curve(Sample.of(labels, scores, groups).counts())
    assert (false[0], found[0], at[0]) == (0, 0, np.inf)
    assert (false[-1], found[-1]) == (1, 1)
    assert np.trapezoid(found, false) == pytest.approx(sk.roc_auc_score(labels, scores))


def test_cells_add_up_to_all_examples():
    labels, scores, groups = scored()
    cells = threshold.confusion(Sample.of(labels, scores, groups).counts(), 0.4)
    assert cells.total[0] == len(labels)
    assert cells.true_positives[0] == (labels & (scores >= 0.4)).sum()
