"""What the service says, from logits and operating point, worked by hand."""

import math

import numpy as np
import pytest

from medpipe import objectives
from medpipe.columns import Column
from medpipe.errors import ParamsError
from medpipe.objectives.binary import Binary
from medpipe.objectives.multiclass import Multiclass
from medpipe.objectives.multilabel import Multilabel
from medpipe.objectives.regression import Regression

GRADE = Multiclass([Column("grade", "category", "grade", values=("low", "mid", "high"))])
SIGNS = Multilabel([Column(n, "int", f"has {n}", low=0, high=1) for n in ("fever", "rash")])
STAY = Regression([Column("stay", "float", "stay", unit="days")])
SETS = ("coverage", "least")
POINTS = {
    "binary": (
        Binary(),
        {"temperature": 2.0, "intercept": 0.0, "threshold": 0.6, "coverage": 0.9}
        | {"least": [0.3, 0.2]},
    ),
    "multiclass": (GRADE, {"temperature": 2.0, "coverage": 0.9, "least": [0.1, 0.2, 0.3]}),
    "multilabel": (
        SIGNS,
        {
            "temperatures": [2.0, 1.0],
            "intercepts": [0.0, 0.0],
            "thresholds": [0.8, 0.5],
            "coverage": 0.8,
            "least": [[0.2, 0.5], [0.3, 0.8]],
        },
    ),
    "regression": (
        STAY,
        {"offset": 10.0, "scale": 4.0, "half_width": 3.0, "coverage": 0.9},
    ),
}


def answer(name, logits):
    objective, point = POINTS[name]
    return objective.answer(np.array(logits, np.float32), objective.point(point))


@pytest.mark.parametrize("name", POINTS)
def test_many_examples_are_answered_as_each_alone(name):
    objective, point = POINTS[name][0], POINTS[name][0].point(POINTS[name][1])
    shape = 1000 if objective.outputs == 1 else (1000, objective.outputs)
    logits = np.random.default_rng(0).normal(0, 20, shape).astype(np.float32)
    found = objective.answer_each(logits, point)
    assert found == [objective.answer(one, point) for one in logits]


def test_a_yes_or_no_is_a_risk_on_one_side_of_the_threshold():
    found = answer("binary", 2 * math.log(3))
    assert found == {
        "probability": pytest.approx(0.9),
        "risk": pytest.approx(0.75),
        "decision": True,
        "threshold": 0.6,
        "possible": {"outcomes": ["positive"], "words": "positive", "coverage": 0.9},
    }


@pytest.mark.parametrize(
    ("risk", "words"),
    [(0.1, "negative"), (0.2, "cannot tell"), (0.5, "cannot tell"), (0.75, "positive")],
)
def test_an_outcome_is_possible_from_its_least_probability_upwards(risk, words):
    found = answer("binary", 2 * math.log(risk / (1 - risk)) + 1e-6)["possible"]
    assert found["words"] == words
    assert (len(found["outcomes"]) == 2) == (words == "cannot tell")


def test_a_risk_that_fits_neither_outcome_is_said_to():
    objective = POINTS["binary"][0]
    point = objective.point({**POINTS["binary"][1], "least": [0.8, 0.7]})
    found = objective.answer(np.float32(0), point)["possible"]
    assert found == {"outcomes": [], "words": "none fits", "coverage": 0.9}


def test_before_anything_is_calibrated_everything_is_possible():
    for name, (objective, point) in POINTS.items():
        if "least" in point:
            bare = objective.point({k: v for k, v in point.items() if k not in SETS})
            found = objective.answer(np.full(objective.outputs, 40, np.float32).squeeze(), bare)
            for each in found.get("labels", [found]):
                assert (each["possible"]["words"], each["possible"]["coverage"]) == (
                    "cannot tell",
                    1.0,
                ), name


def test_a_class_s_own_probability_keeps_its_tail():
    shares = Binary().shares(np.array([60.0]))
    assert shares[0, 0] == pytest.approx(math.exp(-60), rel=1e-9)  # 1 − risk would be 0


def test_a_risk_at_the_threshold_is_flagged():
    objective = POINTS["binary"][0]
    point = objective.point({"temperature": 1.0, "threshold": 0.5})
    assert objective.answer(np.float32(0), point)["decision"] is True


def test_a_recalibrated_risk_has_an_intercept_and_its_probability_has_none():
    objective = POINTS["binary"][0]
    point = objective.point({**POINTS["binary"][1], "intercept": math.log(3)})
    found = objective.answer(np.float32(2 * math.log(3)), point)
    assert (found["probability"], found["risk"]) == pytest.approx((0.9, 0.9))  # odds 9, and 3 · 3
    signs = SIGNS.point({**POINTS["multilabel"][1], "intercepts": [0.0, math.log(3)]})
    assert SIGNS.risks(np.zeros(2), signs) == pytest.approx([0.5, 0.75])


def test_of_classes_the_most_probable_is_the_decision():
    found = answer("multiclass", [0, 2 * math.log(3), 0])  # shares 1 : 3 : 1 at temperature 2
    assert found["decision"] == "mid"
    assert {each["name"]: each["probability"] for each in found["classes"]} == pytest.approx(
        {"low": 0.2, "mid": 0.6, "high": 0.2}
    )
    assert found["possible"]["words"] == "low or mid"


def test_each_label_has_a_temperature_and_a_threshold_of_its_own():
    fever, rash = answer("multilabel", [2 * math.log(3), math.log(3)])["labels"]
    assert (fever["name"], fever["meaning"]) == ("fever", "has fever")
    assert (fever["risk"], rash["risk"]) == pytest.approx((0.75, 0.75))
    assert (fever["threshold"], rash["threshold"]) == (0.8, 0.5)
    assert (fever["decision"], rash["decision"]) == (False, True)
    assert fever["possible"] == {
        "outcomes": ["negative", "positive"], "words": "cannot tell", "coverage": 0.8,
    }  # fmt: skip
    assert rash["possible"]["words"] == "none fits"


@pytest.mark.parametrize("output", [0.5, [0.5]])
def test_a_quantity_comes_with_its_range_and_unit(output):
    assert answer("regression", output) == {
        "value": 12.0,
        "low": 9.0,
        "high": 15.0,
        "coverage": 0.9,
        "unit": "days",
    }


@pytest.mark.parametrize(
    ("limits", "output", "expected"),
    [
        ((0, None), -2.0, (2.0, 0.0, 5.0)),  # 10 − 4 · 2, ± 3
        ((0, None), -2.6, (0.0, 0.0, 3.0)),  # −0.4 days is no stay
        ((None, 12), 1.0, (12.0, 9.0, 12.0)),
        ((0, 30), 1.0, (14.0, 11.0, 17.0)),
    ],
)
def test_no_answer_and_no_end_of_its_range_is_beyond_what_the_column_declares(
    limits, output, expected
):
    low, high = limits
    stay = Regression([Column("stay", "float", "stay", unit="days", low=low, high=high)])
    found = stay.answer(np.float32(output), stay.point(POINTS["regression"][1]))
    assert (found["value"], found["low"], found["high"]) == pytest.approx(expected)


@pytest.mark.parametrize("name", POINTS)
def test_an_operating_point_is_read_as_it_was_written_whatever_stands_beside_it(name):
    objective, point = POINTS[name]
    assert objective.point({**point, "variant": "fp32"}).as_json() == point
    assert objectives.get(name).operating_point is type(objective.point(point))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [(name, part) for name, (_, point) in POINTS.items() for part in point],
)
@pytest.mark.parametrize("value", [None, -1e400, "high", [1.0], [0.5, math.nan]])
def test_a_part_that_is_missing_or_no_such_number_is_refused_by_name(name, wrong, value):
    objective, point = POINTS[name]
    with pytest.raises(ParamsError, match=wrong):
        objective.point({**point, wrong: value})


def test_binary_risks_neither_overflow_nor_lose_their_tail():
    found = Binary().link(np.array([-800.0, -40.0, 0.0, 800.0]))
    assert found == pytest.approx([0, math.exp(-40), 0.5, 1], rel=1e-12, abs=0)
