"""What is called possible: quantiles worked by hand, and coverage on data that keep the promise."""

import math

import numpy as np
import pandas as pd
import pytest

from medpipe.columns import Column
from medpipe.evaluation import conformal
from medpipe.evaluation.conformal import Outcomes
from medpipe.evaluation.measures import binary, multiclass, multilabel, regression
from medpipe.evaluation.scored import Scored
from medpipe.objectives.binary import Binary
from medpipe.objectives.multiclass import Multiclass
from medpipe.objectives.multilabel import Multilabel
from medpipe.objectives.regression import Regression
from medpipe.sections import ConformalParams, EvaluateParams

PARAMS = EvaluateParams(resamples=100)
YES = binary.Measured(Binary())
DRAWS = 200


def alone(count):
    """Groups of one example each."""
    return np.arange(count)


@pytest.mark.parametrize(("count", "rank"), [(9, 9), (19, 18), (99, 90), (100, 91)])
def test_with_one_example_each_it_is_the_split_conformal_quantile(count, rank):
    scores = np.random.default_rng(count).permutation(np.arange(1.0, count + 1))
    assert conformal.quantile(scores, alone(count), coverage=0.9) == rank  # ⌈0.9 (count + 1)⌉


@pytest.mark.parametrize("count", [0, 1, 8])
def test_too_few_patients_can_promise_nothing(count):
    assert conformal.quantile(np.zeros(count), alone(count), coverage=0.9) == math.inf


def test_a_patient_with_many_examples_weighs_as_much_as_one_with_one():
    scores = np.array([1.0, 2, 3, 4, 9, 9, 9, 9])
    groups = np.array([0, 1, 2, 3, 4, 4, 4, 4])
    # 6 patients with the next one; 0.5 · 6 = 3 are reached at 3. By examples it would be 4 or 9.
    assert conformal.quantile(scores, groups, coverage=0.5) == 3
    # 0.7 · 6 = 4.2: four patients up to 4, and the fifth's first example makes 4.25
    assert conformal.quantile(scores, groups, coverage=0.7) == 9


def test_half_of_a_patient_may_lie_below():
    scores, groups = np.array([1.0, 5, 2, 6]), np.array([0, 0, 1, 1])
    # of 3 patients a third is needed: 1, which is both patients' lower halves
    assert conformal.quantile(scores, groups, coverage=1 / 3) == 2


def test_ties_are_all_within():
    scores = np.array([0.0] * 3 + [1.0] * 6 + [2.0])
    found = conformal.quantile(scores, alone(10), coverage=0.6)  # the 7th of 10
    assert found == 1
    assert (scores <= found).mean() == 0.9


def test_order_of_rows_and_names_of_groups_do_not_matter():
    rng = np.random.default_rng(0)
    scores, groups = rng.normal(size=60), rng.integers(0, 20, 60)
    order = rng.permutation(60)
    first = conformal.quantile(scores, groups, coverage=0.8)
    assert conformal.quantile(scores[order], 100 - groups[order], coverage=0.8) == first


def test_each_outcome_has_a_probability_of_its_own():
    shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4], [0.2, 0.8]])
    truth = np.array([0, 0, 0, 1, 1])
    found = conformal.least(Outcomes(("no", "yes"), shares, truth, alone(5)), coverage=0.6)
    # no: 0.6 · 4 = 2.4, the third of 0.9 0.8 0.3; yes: 0.6 · 3 = 1.8, the second of 0.8 0.4
    assert found == (0.3, 0.4)


def test_an_outcome_that_nobody_or_hardly_anybody_has_is_always_possible():
    shares = np.tile([0.7, 0.2, 0.1], (40, 1))
    truth = np.r_[np.zeros(32, int), np.ones(8, int)]  # of the last class nobody
    found = conformal.least(Outcomes(("a", "b", "c"), shares, truth, alone(40)), coverage=0.9)
    assert found == (0.7, 0.0, 0.0)


def test_measured_counts_truths_held_and_sizes_by_hand():
    shares = np.array([[0.9, 0.1], [0.5, 0.5], [0.6, 0.4], [0.1, 0.9]])
    outcomes = Outcomes(("no", "yes"), shares, np.array([0, 0, 1, 1]), alone(4))
    found = conformal.measured(outcomes, (0.7, 0.5), PARAMS)
    # possible: no / yes / neither / yes
    assert found["coverage"]["value"] == 0.5
    assert {k: v["value"] for k, v in found["outcomes"].items()} == {"no": 0.5, "yes": 0.5}
    assert {k: v["value"] for k, v in found["sizes"].items()} == {
        "one": 0.75, "several": 0, "none": 0.25,
    }  # fmt: skip


def test_shares_count_every_patient_the_same():
    hits, groups = np.array([1, 1, 1, 1, 0, 1], bool), np.array([0, 0, 0, 0, 1, 2])
    found = conformal.share(hits, groups, PARAMS)
    assert found.value == pytest.approx(2 / 3)
    assert found.low < 2 / 3 < found.high


def test_copies_of_examples_do_not_narrow_the_interval():
    hits = np.random.default_rng(0).random(50) < 0.8
    once = conformal.share(hits, alone(50), PARAMS)
    many = conformal.share(np.repeat(hits, 9), np.repeat(alone(50), 9), PARAMS)
    assert (many.low, many.high) == pytest.approx((once.low, once.high))


def test_a_share_of_nothing_is_undefined_and_one_of_all_has_a_width():
    assert conformal.share(np.empty(0, bool), alone(0), PARAMS).as_json()["undefined"]
    everyone = conformal.share(np.ones(20, bool), alone(20), PARAMS)
    assert (everyone.value, everyone.high) == (1, 1)
    assert everyone.low == pytest.approx(0.8389, abs=1e-4)  # Wilson's 20 / (20 + 1.96²)


def patients(rng, count, *, several):
    """Labels, logits and groups: patients differ, and the ill have more examples where several."""
    ill = rng.random(count) < 0.15
    size = np.where(ill, 6, 1) if several else np.ones(count, int)
    groups = np.repeat(np.arange(count), size)
    own = rng.normal(size=count)
    logits = 2 * ill[groups] - 1 + own[groups] + 0.5 * rng.normal(size=len(groups))
    frame = pd.DataFrame({"label": ill[groups].astype(int), "group": groups})
    return Scored(frame, logits)


@pytest.mark.parametrize("several", [False, True])
def test_the_promise_is_kept_for_the_rare_class_and_for_patients_with_many_examples(several):
    """Over many val splits, a new patient's example is held as often as promised, or a bit more."""
    rng, held = np.random.default_rng(1), []
    for _ in range(DRAWS):
        point = YES.operating_point(patients(rng, 300, several=several), PARAMS)
        new = YES.outcomes(patients(rng, 400, several=several), point)
        sets = conformal.measured(new, point.least, PARAMS)
        held.append([sets["outcomes"][name]["value"] for name in ("negative", "positive")])
    negative, positive = np.mean(held, axis=0)
    error = np.std(held, axis=0) / np.sqrt(DRAWS)
    # exactly 0.9 to 0.9 + 1 / (patients of the class + 1): 0.904 and 0.922
    assert 0.9 - 3 * error[0] < negative < 0.904 + 3 * error[0]
    assert 0.9 - 3 * error[1] < positive < 0.922 + 3 * error[1]


def test_by_examples_the_promise_would_be_broken():
    """The same patients, were each example counted as a patient: the weights are there for this."""
    rng, by_patient, by_example = np.random.default_rng(2), [], []
    for _ in range(DRAWS):
        size = rng.choice([1, 30], 30)
        groups = np.repeat(np.arange(30), size)
        # whoever comes often is unlike the others
        scores = np.where(size == 30, -3, 0)[groups] + rng.normal(size=len(groups))
        new = rng.choice([-3, 0], 400) + rng.normal(size=400)
        for names, found in ((groups, by_patient), (np.arange(len(groups)), by_example)):
            found.append(np.mean(new <= conformal.quantile(scores, names, coverage=0.9)))
    assert np.mean(by_patient) > 0.9 - 3 * np.std(by_patient) / np.sqrt(DRAWS)
    assert np.mean(by_example) < 0.6


def kinds():
    """Every objective with a maker of scored rows, two of a patient."""
    grade = Column("grade", "int", "grade", low=0, high=2)
    signs = [Column(name, "int", name) for name in ("fever", "rash")]

    def grades(rng, rows):
        truth = rng.integers(0, 3, rows)
        return {"label": truth}, 1.5 * np.eye(3)[truth] + rng.normal(size=(rows, 3))

    def fever_and_rash(rng, rows):
        truth = rng.integers(0, 2, (rows, 2)).astype(float)
        logits = 1.5 * truth + rng.normal(size=(rows, 2))
        truth[rng.random(truth.shape) < 0.2] = np.nan
        return {"fever": truth[:, 0], "rash": truth[:, 1]}, logits

    def stays(rng, rows):
        outputs = rng.normal(size=rows)
        return {"label": 10 + 3 * outputs + rng.normal(size=rows)}, outputs

    return [
        (multiclass.Measured(Multiclass([grade])), grades),
        (multilabel.Measured(Multilabel(signs)), fever_and_rash),
        (regression.Measured(Regression([Column("stay", "float", "stay")])), stays),
    ]


@pytest.mark.parametrize("coverage", [0.8, 0.95])
@pytest.mark.parametrize(("measures", "made"), kinds(), ids=["classes", "labels", "quantity"])
def test_every_objective_keeps_its_promise(measures, made, coverage):
    params = EvaluateParams(resamples=100, conformal=ConformalParams(coverage=coverage))
    rng, held = np.random.default_rng(3), []

    def scored(rows):
        columns, logits = made(rng, rows)
        return Scored(pd.DataFrame({**columns, "group": np.arange(rows) // 2}), logits)

    for _ in range(20):
        point = measures.operating_point(scored(300), params)
        held.append(measures.measure(scored(1000), point, params)["sets"]["coverage"]["value"])
    assert coverage - 0.015 < np.mean(held) < coverage + 0.025


def test_labels_are_measured_together_and_each_alone():
    measures, made = kinds()[1]
    columns, logits = made(np.random.default_rng(0), 600)
    frame = pd.DataFrame(columns).fillna(0).assign(group=np.arange(600))
    scored = Scored(frame, logits)
    sets = measures.measure(scored, measures.operating_point(scored, PARAMS), PARAMS)["sets"]
    assert set(sets["parts"]) == {"fever", "rash"}
    each = [part["coverage"]["value"] for part in sets["parts"].values()]
    assert sets["coverage"]["value"] == pytest.approx(np.mean(each))  # everything is known


def test_what_is_possible_does_not_depend_on_the_temperature():
    scored = patients(np.random.default_rng(4), 400, several=True)
    sets = []
    for slope in (1, 3):
        at = Scored(scored.frame, slope * scored.logits)
        sets.append(YES.measure(at, YES.operating_point(at, PARAMS), PARAMS)["sets"])
    assert sets[0] == sets[1]
