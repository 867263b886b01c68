"""What is too far from the training data, and whether what is foreign is noticed."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from medpipe.columns import COMMON, Column
from medpipe.errors import DataError
from medpipe.evaluation import familiar
from medpipe.evaluation.changed import EXAMPLES, Trials
from medpipe.evaluation.scored import Scored
from medpipe.sections import EvaluateParams
from medpipe.serving.session import Bound, Judged

PARAMS = EvaluateParams(resamples=100)
COLUMNS = (*COMMON, Column("sex", "category", "as recorded", subgroup=True))


def scored(distances, groups=None, **columns):
    count = len(distances)
    group = np.arange(count) if groups is None else groups
    frame = pd.DataFrame({"group": group, "label": 0, **columns})
    return Scored(frame, np.zeros(count), np.asarray(distances, dtype=float))


def test_the_bound_is_what_nearly_all_of_val_stay_within():
    val = scored(np.random.default_rng(0).permutation(199) + 1)
    assert familiar.bound(val, 0.99) == Bound(198, 0.99)  # ⌈0.99 · 200⌉
    assert familiar.bound(val, 0.9) == Bound(180, 0.9)


def test_too_few_patients_promise_less_and_say_so():
    assert familiar.bound(scored([3, 1, 2]), 0.99) == Bound(3, 0.75)  # 3 of 3 + 1


def test_a_patient_with_many_far_examples_does_not_move_the_bound_alone():
    distances = np.r_[np.arange(1.0, 20), [100.0] * 50]
    groups = np.r_[np.arange(19), [19] * 50]
    assert familiar.bound(scored(distances, groups), 0.9).distance == 19  # 0.9 · 21 = 18.9


def test_a_network_that_tells_nothing_apart_is_refused():
    with pytest.raises(DataError, match="all of val has distance 0"):
        familiar.bound(scored(np.zeros(20)), 0.9)


def test_new_patients_like_those_of_val_are_flagged_as_rarely_as_promised():
    rng, shares = np.random.default_rng(1), []
    for _ in range(300):
        limit = familiar.bound(scored(rng.gamma(2, size=150)), 0.95)
        shares.append(np.mean(rng.gamma(2, size=300) > limit.distance))
    assert 0.05 - 1 / 151 - 0.004 < np.mean(shares) < 0.05 + 0.004


def test_the_section_counts_what_lies_beyond_the_bound_by_split_and_subgroup():
    test = scored(np.r_[np.ones(60), np.full(20, 3.0)], sex=["F"] * 60 + ["M"] * 20)
    found = familiar.section(
        {"test": test, "val": scored([1, 3])}, Bound(2.0, 0.9), COLUMNS, [], PARAMS
    )
    assert (found["distance"], found["share"], found["asked"]) == (2, 0.9, 0.99)
    assert found["flagged"]["test"]["value"] == 0.25
    assert found["flagged"]["val"]["value"] == 0.5
    assert found["flagged"]["external"] is None
    assert [(g["value"], g["flagged"]["value"]) for g in found["subgroups"]] == [("F", 0), ("M", 1)]


def trials(rows=50):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"group": np.arange(rows) // 2, "label": 0})
    inputs = {"x": rng.normal(size=(rows, 2)).astype(np.float32)}
    return Trials(lambda batch: Judged(batch["x"][:, 0], abs(batch["x"][:, 1])), inputs, frame, 7)


def test_foreign_inputs_are_told_from_test_examples_by_their_distance():
    run = trials()
    changes = {
        "far": lambda batch, rng: {"x": batch["x"] + 9},
        "noise": lambda batch, rng: {"x": batch["x"] + rng.normal(size=batch["x"].shape)},
    }
    far, noise = familiar.detected(changes, run, Bound(5.0, 0.99), PARAMS)
    assert (far["change"], far["examples"], far["flagged"]["value"]) == ("far", 50, 1)
    assert far["auroc"]["value"] == 1
    both = np.r_[run.plain.distances, run.changed(changes["noise"]).distances]
    expected = roc_auc_score(np.repeat([0, 1], 50), both)
    assert noise["auroc"]["value"] == pytest.approx(expected)
    assert noise["auroc"]["low"] < expected < noise["auroc"]["high"]


def test_nothing_foreign_nothing_detected():
    assert familiar.detected({}, trials(), Bound(1.0, 0.9), PARAMS) == []


def test_trials_are_the_same_examples_with_the_same_randomness_every_time():
    run = trials(3 * EXAMPLES)
    change = lambda batch, rng: {"x": batch["x"] + rng.normal(size=batch["x"].shape)}  # noqa: E731
    assert len(run.rows) == EXAMPLES
    assert run.rows[[0, -1]].tolist() == [0, 3 * EXAMPLES - 1]
    assert np.array_equal(run.changed(change).distances, run.changed(change).distances)
    assert run.plain.frame["group"].tolist() == (run.rows // 2).tolist()


def test_distances_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match="1 of 2 distances are not finite"):
        scored([1.0, np.inf])
