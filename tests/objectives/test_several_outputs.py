"""Multiclass, multilabel and regression, with numbers worked by hand and second implementations."""

import math

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import r2_score, roc_auc_score

from medpipe.columns import Column
from medpipe.errors import DataError, ParamsError
from medpipe.objectives.multiclass import Multiclass
from medpipe.objectives.multilabel import Multilabel
from medpipe.objectives.regression import Regression

GRADE = Multiclass([Column("grade", "category", "grade", values=("low", "mid", "high"))])
SIGNS = Multilabel([Column(name, "int", name, low=0, high=1) for name in ("fever", "rash")])
STAY = Regression([Column("stay", "float", "stay", unit="days")])
NAN = math.nan


def test_classes_are_the_column_s_values_or_its_whole_numbers():
    numbers = Multiclass([Column("grade", "int", "grade", low=1, high=4)])
    assert (GRADE.outputs, numbers.outputs) == (3, 4)
    assert numbers.targets([1, 4.0, np.int64(2)]).tolist() == [0, 3, 1]
    assert GRADE.targets(["high", "low"]).tolist() == [2, 0]


def test_a_column_without_classes_is_refused():
    with pytest.raises(ParamsError, match="stay states no classes"):
        _ = Multiclass([Column("stay", "float", "stay", low=0, high=9)]).outputs


@pytest.mark.parametrize("label", [None, "worst", NAN, 3])
def test_a_label_that_is_no_class_is_counted_and_not_repeated(label):
    with pytest.raises(DataError, match="1 of 2 labels are none of low, mid, high"):
        GRADE.targets(["low", label])


def test_balanced_classes_have_the_same_part_of_the_loss():
    weights = GRADE.class_weights(np.array([0, 0, 0, 1, 2, 2], np.float32), "balanced")
    assert weights == (6 / 9, 6 / 3, 6 / 6)


def test_a_class_that_nobody_has_is_named():
    with pytest.raises(DataError, match="no example of mid, high"):
        GRADE.class_weights(np.zeros(5, np.float32), "none")


def test_multiclass_loss_is_weighted_and_smoothed_cross_entropy():
    logits = torch.tensor([[0.0, math.log(2), 0.0], [0.0, 0.0, 0.0]])  # shares ¼ ½ ¼ and ⅓ each
    targets = torch.tensor([1.0, 2.0])
    plain = GRADE.loss(logits, targets, weights=(1, 1, 1), smoothing=0)
    weighted = GRADE.loss(logits, targets, weights=(1, 1, 3), smoothing=0)
    smoothed = GRADE.loss(logits, targets, weights=(1, 1, 1), smoothing=0.2)
    assert plain.item() == pytest.approx((math.log(2) + math.log(3)) / 2)
    assert weighted.item() == pytest.approx((math.log(2) + 3 * math.log(3)) / 2)
    first = 0.8 * math.log(2) + 0.2 * math.log(4)  # the 0.2 go to the two others
    assert smoothed.item() == pytest.approx((first + math.log(3)) / 2)


def test_multiclass_link_and_score_agree_with_scipy_and_scikit_learn():
    rng = np.random.default_rng(0)
    logits, truth = rng.normal(size=(90, 3)), np.arange(90) % 3
    assert np.allclose(GRADE.link(logits, 2.0), softmax(logits / 2, axis=1))
    expected = roc_auc_score(truth, softmax(logits, axis=1), multi_class="ovr")
    assert GRADE.score(truth, logits) == pytest.approx(expected)


def test_unknown_labels_are_nan_and_wrong_ones_are_counted_by_label():
    found = SIGNS.targets([(1, None), (NAN, 0), (True, 1.0)])
    assert np.array_equal(found, [[1, NAN], [NAN, 0], [1, 1]], equal_nan=True)
    with pytest.raises(DataError, match=r"other than 0 and 1 stand in rash \(2 rows\)"):
        SIGNS.targets([(1, 2), (0, "yes")])


def test_what_is_not_known_leaves_loss_and_gradient_alone():
    logits = torch.tensor([[0.0, 5.0], [2.0, -1.0]], requires_grad=True)
    targets = torch.tensor([[0.0, NAN], [1.0, NAN]])
    loss = SIGNS.loss(logits, targets, weights=(1, 1, 3, 1), smoothing=0)
    loss.backward()
    assert loss.item() == pytest.approx((math.log(2) + 3 * math.log1p(math.exp(-2))) / 2)
    assert logits.grad[:, 1].tolist() == [0, 0]


def test_a_batch_of_which_nothing_is_known_costs_nothing():
    loss = SIGNS.loss(torch.ones(2, 2), torch.full((2, 2), NAN), weights=(1,) * 4, smoothing=0)
    assert loss.item() == 0


def test_multilabel_weights_are_those_of_each_label_where_it_is_known():
    targets = np.array([[0, 1], [0, NAN], [1, 0], [NAN, 0]], np.float32)
    assert SIGNS.class_weights(targets, "balanced") == (3 / 4, 3 / 4, 3 / 2, 3 / 2)
    with pytest.raises(DataError, match=r"label rash: .* 0 with label 1"):
        SIGNS.class_weights(np.array([[0, 0], [1, NAN]], np.float32), "none")


def test_multilabel_score_is_the_mean_over_what_is_known():
    targets = np.array([[0, 1], [1, 0], [1, NAN], [0, NAN]])
    logits = np.array([[0.1, 0.9], [0.3, 0.2], [0.0, 7.0], [0.05, 8.0]])
    # fever: 0.3 beats both, 0.0 beats none: 2 of 4 pairs; rash: 1 of 1
    assert SIGNS.score(targets, logits) == pytest.approx((0.5 + 1) / 2)


def test_regression_learns_in_standard_deviations_of_train():
    fitted = STAY.fitted(np.array([2.0, 4.0, 6.0, 8.0]))  # mean 5, variance 5
    loss = fitted.loss(
        torch.tensor([[0.0], [1.0]]), torch.tensor([5.0, 10.0]), weights=(1,), smoothing=0
    )
    assert (fitted.mean, fitted.std) == (5, pytest.approx(math.sqrt(5)))
    assert loss.item() == pytest.approx((math.sqrt(5) - 1) ** 2 / 2, rel=1e-5)


def test_regression_score_is_r2_in_the_label_s_unit():
    rng = np.random.default_rng(0)
    truth, outputs = rng.normal(5, 2, 50), rng.normal(size=50)
    fitted = Regression(mean=5.0, std=2.0)
    assert fitted.score(truth, outputs) == pytest.approx(r2_score(truth, 5 + 2 * outputs))
    assert math.isnan(fitted.score(np.ones(3), outputs[:3]))


@pytest.mark.parametrize("label", [None, NAN, math.inf, "3"])
def test_a_quantity_that_is_no_finite_number_is_refused(label):
    with pytest.raises(DataError, match="1 of 2 labels are not finite numbers"):
        STAY.targets([1.0, label])


def test_a_quantity_without_differences_or_with_balanced_classes_is_refused():
    with pytest.raises(DataError, match="the 3 training rows have one and the same label"):
        STAY.fitted(np.ones(3))
    with pytest.raises(ParamsError, match=r"train\.class_weights is balanced"):
        STAY.class_weights(np.arange(3.0), "balanced")
