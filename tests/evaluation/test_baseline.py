"""Gradient boosting beside the network: the same at every run, and on the same patients."""

import numpy as np
import pandas as pd
import pytest

from medpipe.config import EvaluateParams
from medpipe.errors import DataError
from medpipe.evaluation.baseline import boosted, features
from medpipe.evaluation.measures.binary import Measured, OperatingPoint
from medpipe.evaluation.report import against_baseline
from medpipe.evaluation.scored import Scored
from medpipe.objectives import get

PARAMS = EvaluateParams(resamples=100)
BINARY = Measured(get("binary"))


class Table:
    """What the baseline asks of a workload; `shape` spoils what it gives."""

    def __init__(self, change=lambda found: found):
        self.change = change

    def features(self, inputs):
        return self.change(inputs["x"])


def rows(seed: int, count: int) -> tuple[dict, np.ndarray]:
    """Label: the signs of two columns differ, but for one in ten; the third is never known."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 3)).astype(np.float32)
    x[:, 2] = np.nan
    return {"x": x}, ((x[:, 0] * x[:, 1] < 0) ^ (rng.random(count) < 0.1)).astype(np.float32)


def splits(train: int = 400) -> tuple[dict, dict]:
    made = {name: rows(i, n) for i, (name, n) in enumerate([("train", train), ("val", 200)])}
    inputs = {name: inputs for name, (inputs, _) in made.items()} | {"test": rows(9, 200)[0]}
    return inputs, {name: targets for name, (_, targets) in made.items()}


def test_features_come_whole_and_in_order_however_many_rows():
    x = np.arange(5000, dtype=np.float32)[:, None]
    chosen = np.arange(0, 5000, 2)
    assert np.array_equal(features(Table(), {"x": x}, rows=chosen), x[chosen])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda found: found[:, 0], r"gave \(1024,\) for 1024 rows"),
        (lambda found: found[1:], r"gave \(1023, 3\) for 1024 rows"),
        (lambda found: found / 0, "infinite values; what is not known is nan"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_features_that_no_tree_can_use_are_refused(change, why):
    with pytest.raises(DataError, match=why):
        features(Table(change), rows(0, 2000)[0], rows=np.arange(2000))


def test_a_workload_without_features_has_no_baseline():
    assert boosted(Table(lambda found: None), BINARY, *splits()) is None


def test_features_of_which_nothing_is_known_are_refused():
    with pytest.raises(DataError, match="all is nan"):
        boosted(Table(lambda found: found * np.nan), BINARY, *splits())


def test_trees_learn_what_no_line_tells_and_do_so_again():
    first, second = (boosted(Table(), BINARY, *splits()) for _ in range(2))
    assert (first.examples, first.features) == (400, 3)
    assert set(first.logits) == {"val", "test"}
    right = (first.logits["test"] > 0) == rows(9, 200)[1].astype(bool)
    assert right.mean() > 0.8
    assert np.array_equal(first.logits["test"], second.logits["test"])


def test_the_model_is_compared_on_the_same_patients():
    inputs, targets = splits()
    labels = {"val": targets["val"], "test": rows(9, 200)[1]}
    frames = {
        name: pd.DataFrame({"label": y, "group": np.arange(len(y)) // 2})
        for name, y in labels.items()
    }
    found = boosted(Table(), BINARY, inputs, targets)
    model = {name: Scored(frame, found.logits[name]) for name, frame in frames.items()}
    same = against_baseline(BINARY, found, model, OperatingPoint(1.0, 0.5), PARAMS)
    paired = same["difference"]["auroc"]
    assert paired["model"] == paired["baseline"] == same["metrics"]["auroc"]["value"]
    assert -0.01 < paired["low"] <= 0 <= paired["high"] < 0.01
    assert same["external"] is None


def test_a_network_that_guesses_is_surely_worse():
    inputs, targets = splits()
    frames = {
        name: pd.DataFrame({"label": y, "group": np.arange(len(y))})
        for name, y in (("val", targets["val"]), ("test", rows(9, 200)[1]))
    }
    guess = np.random.default_rng(3)
    model = {name: Scored(frame, guess.normal(size=len(frame))) for name, frame in frames.items()}
    found = against_baseline(
        BINARY, boosted(Table(), BINARY, inputs, targets), model, OperatingPoint(1.0, 0.5), PARAMS
    )
    assert found["difference"]["auroc"]["high"] < -0.2
