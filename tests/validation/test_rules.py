"""Rules that columns declare."""

import pytest

from medpipe.columns import COMMON, Column, Expectation
from medpipe.validation import rules
from medpipe.validation.rules import Finding, Rule


class Question:
    """As much of a workload as rules look at."""

    columns = (
        *COMMON,
        Column("age_years", "float", "age", unit="years", low=0, high=120),
        Column("sex", "category", "sex", values=("F", "M")),
        Column("ill", "int", "label", nullable=False),
    )
    label = "ill"
    label_columns = ("ill",)

    def expectations(self):
        return (
            Expectation(
                "no_pregnant_men",
                ("sex", "age_years"),
                lambda frame: frame["sex"] != "M",
                "a pregnant patient is a woman",
                "warning",
            ),
        )


def test_every_column_states_its_rules():
    names = {rule.name for rule in rules.of(Question())}
    assert {"example.known", "example.unique", "group.known", "published.values"} <= names
    assert {"age_years.type", "age_years.range", "sex.values", "no_pregnant_men"} <= names
    assert "age_years.known" not in names


def test_a_missing_label_is_judged_over_the_whole():
    assert "ill.known" not in {rule.name for rule in rules.of(Question())}


def test_a_range_is_told_with_its_unit():
    told = {rule.name: rule.meaning for rule in rules.of(Question())}
    assert told["age_years.range"] == "age_years is at least 0 years and at most 120 years"


def test_a_one_sided_range_names_one_side():
    class Open(Question):
        columns = (Column("dose_mg", "float", "dose", unit="mg", low=0),)

    told = {rule.name: rule.meaning for rule in rules.of(Open())}
    assert told["dose_mg.range"] == "dose_mg is at least 0 mg"


def test_the_fingerprint_follows_a_limit():
    class Narrower(Question):
        columns = (Column("age_years", "float", "age", low=0, high=100),)

    assert rules.fingerprint(Question()) == rules.fingerprint(Question())
    assert rules.fingerprint(Question()) != rules.fingerprint(Narrower())


@pytest.mark.parametrize(("severity", "stops"), [("critical", True), ("warning", False)])
def test_only_a_broken_critical_rule_stops(severity, stops):
    rule = Rule("r", "whole", (), "m", severity)
    assert Finding(rule, passed=False).stops is stops
    assert not Finding(rule, passed=True).stops


def test_a_sentence_names_rule_number_three_ids_and_what_to_do():
    finding = Finding(
        Rule("r", "range", ("a",), "a is small", todo="do it"), False, 4, tuple("wxyz")
    )
    assert finding.sentence() == "r (4 examples: w, x, y, …): must hold: a is small; do it"
