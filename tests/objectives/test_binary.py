"""The binary objective, with numbers worked by hand."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from medpipe.errors import DataError, ParamsError
from medpipe.objectives import get

BINARY = get("binary")


def test_importing_it_loads_no_torch() -> None:
    code = "import sys; from medpipe import objectives as o; o.get('binary');"
    code += "print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_an_unknown_objective_names_those_that_there_are() -> None:
    with pytest.raises(ParamsError, match="there are: binary"):
        get("objective")


def test_labels_of_every_number_type_become_targets() -> None:
    assert BINARY.targets([0, 1, True, 1.0, np.int64(0)]).tolist() == [0, 1, 1, 1, 0]


def test_labels_outside_the_set_are_counted_and_named() -> None:
    message = r"4 of 5 labels are not 0 or 1: '2' \(2 rows\), 'None' \(1 rows\), 'yes' \(1 rows\)"
    with pytest.raises(DataError, match=message):
        BINARY.targets([1, 2, 2, None, "yes"])


def test_balanced_weights_give_both_classes_half_of_the_loss() -> None:
    targets = np.array([0, 0, 0, 1], dtype=np.float32)
    negative, positive = BINARY.class_weights(targets, "balanced")
    assert (negative, positive) == (4 / 6, 4 / 2)
    assert 3 * negative == positive
    assert BINARY.class_weights(targets, "none") == (1, 1)


def test_one_class_only_is_refused() -> None:
    with pytest.raises(DataError, match="3 with label 0 and 0 with label 1"):
        BINARY.class_weights(np.zeros(3, dtype=np.float32), "none")


def test_the_loss_is_weighted_and_smoothed_cross_entropy() -> None:
    logits, targets = torch.tensor([[0.0], [2.0]]), torch.tensor([0.0, 1.0])
    plain = BINARY.loss(logits, targets, weights=(1, 1), smoothing=0)
    weighted = BINARY.loss(logits, targets, weights=(1, 3), smoothing=0)
    smoothed = BINARY.loss(logits, targets, weights=(1, 1), smoothing=0.1)
    no, yes = math.log(2), math.log1p(math.exp(-2))
    assert plain.item() == pytest.approx((no + yes) / 2, rel=1e-5)
    assert weighted.item() == pytest.approx((no + 3 * yes) / 2, rel=1e-5)
    assert smoothed.item() == pytest.approx((no + 0.9 * yes + 0.1 * (yes + 2)) / 2, rel=1e-5)


def test_the_link_is_the_logistic_function_and_never_overflows() -> None:
    logits = np.array([-1e4, -2, 0, math.log(3), 1e4])
    expected = [0, 1 / (1 + math.exp(2)), 0.5, 0.75, 1]
    assert BINARY.link(logits) == pytest.approx(expected)
    assert BINARY.link(np.array([2.0]), 2.0) == pytest.approx([1 / (1 + math.exp(-1))])


def test_the_score_is_scikit_learns_auroc_with_ties() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, 200).astype(np.float32)
    logits = np.round(rng.normal(size=200) + targets, 1)  # rounding makes ties
    assert BINARY.score(targets, logits) == pytest.approx(roc_auc_score(targets, logits))
    assert BINARY.score(targets, logits[:, None]) == BINARY.score(targets, logits)


def test_the_score_of_one_class_is_undefined() -> None:
    assert math.isnan(BINARY.score(np.ones(3), np.arange(3.0)))
