"""Rules over the whole: enough of everything, and nothing that contradicts itself."""

import pandas as pd
import pytest

from medpipe.columns import Column
from medpipe.config import ValidateParams
from medpipe.validation import whole

PARAMS = ValidateParams(min_examples=6, min_groups=3, min_per_class=2)


class Question:
    columns = (Column("ill", "int", "label", low=0, high=1),)
    label = "ill"
    label_columns = ("ill",)
    duplicate_column = "pixels"


def frame(**changes):
    columns = {
        "example": [f"e{i}" for i in range(6)],
        "group": ["p0", "p0", "p1", "p1", "p2", "p2"],
        "ill": [0, 0, 0, 1, 1, 1],
        "pixels": ["a", "b", "c", "d", None, None],
    }
    return pd.DataFrame(columns | changes)


def found(data, params=PARAMS, question=Question):
    seen = whole.Whole(question(), params)
    for half in (data[:2], data[2:]):  # the frames of raw come one after the other
        seen.add(half)
    return {f.rule.name: f for f in seen.findings()}


def test_good_data_pass_every_rule():
    findings = found(frame())
    assert len(findings) == 6
    assert all(f.passed for f in findings.values())


@pytest.mark.parametrize(
    ("changes", "rule", "detail"),
    [
        ({"group": ["p0"] * 6}, "data.groups", "all examples belong to one patient"),
        ({"group": ["p0"] * 3 + ["p1"] * 3}, "data.groups", "2 groups where at least 3 are asked"),
        ({"ill": [1] * 6}, "data.classes", "one class only (0: 0, 1: 6)"),
        ({"ill": [1.0] * 5 + [0.0]}, "data.classes", "examples by ill: 0: 1, 1: 5"),
        ({"ill": [None] * 4 + [0, 1]}, "data.labelled", "4 of 6 examples have no ill"),
    ],
)
def test_what_is_too_little_stops_and_says_how_little(changes, rule, detail):
    finding = found(frame(**changes))[rule]
    assert finding.stops
    assert finding.detail == detail


def test_too_few_examples_stop():
    finding = found(frame().iloc[:5])["data.examples"]
    assert finding.stops
    assert finding.detail == "5 examples where at least 6 are asked"


@pytest.mark.parametrize(("policy", "stops"), [("stop", True), ("warn", False)])
def test_one_picture_with_two_labels_is_named_with_the_policys_weight(policy, stops):
    params = PARAMS.model_copy(update={"contradictions": policy})
    finding = found(frame(pixels=["a", "b", "c", "c", None, None]), params)["data.contradictions"]
    assert (finding.passed, finding.stops) == (False, stops)
    assert (finding.count, finding.examples) == (2, ("e2", "e3"))


def test_one_picture_under_two_patients_is_a_warning():
    finding = found(frame(pixels=["a", "b", "a", "d", None, None]))["data.one_patient"]
    assert not finding.passed
    assert not finding.stops
    assert finding.examples == ("e0", "e2")


def test_unknown_content_is_no_copy_of_unknown_content():
    findings = found(frame(pixels=[None] * 6))
    assert findings["data.contradictions"].passed
    assert findings["data.one_patient"].passed


def test_a_declared_class_that_never_occurs_counts_as_zero():
    class Grades(Question):
        columns = (Column("ill", "category", "grade", values=("a", "b", "c")),)

    finding = found(frame(ill=["a", "a", "a", "b", "b", "b"]), question=Grades)["data.classes"]
    assert finding.stops
    assert finding.detail == "examples by ill: a: 3, b: 3, c: 0"


@pytest.mark.parametrize("dtype", [bool, int, float, "Int64"])
def test_classes_are_counted_whatever_the_dtype(dtype):
    data = frame()
    data["ill"] = data["ill"].astype(dtype)
    assert found(data)["data.classes"].detail == "examples by ill: 0: 3, 1: 3"


def test_a_measured_label_has_no_classes():
    class Measured(Question):
        columns = (Column("ill", "float", "severity", low=0, high=10),)

    assert "data.classes" not in found(frame(), question=Measured)


class Signs(Question):
    """Two labels of one example."""

    columns = (*Question.columns, Column("dead", "int", "label", low=0, high=1))
    label_columns = ("ill", "dead")


def test_each_of_several_labels_is_judged_by_its_own_name():
    findings = found(frame(dead=[None] * 4 + [0, 1]), question=Signs)
    assert findings["data.labelled.ill"].passed
    assert findings["data.labelled.dead"].stops
    assert findings["data.labelled.dead"].detail == "4 of 6 examples have no dead"
    assert findings["data.classes.ill"].passed
    assert findings["data.classes.dead"].detail == "examples by dead: 0: 1, 1: 1"


def test_the_same_content_with_another_second_label_is_a_contradiction():
    data = frame(pixels=["a", "a", "c", "d", "e", "f"], dead=[0, 1, 0, 1, 0, 1])
    assert found(data, question=Question)["data.contradictions"].passed
    assert found(data, question=Signs)["data.contradictions"].examples == ("e0", "e1")
