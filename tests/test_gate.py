"""The gate: every demand from both sides of its limit."""

import copy
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.config import GateParams
from medpipe.gate import decide


@dataclass(frozen=True)
class Demands:
    """A policy that owes nothing to params.yaml."""

    floors: dict = field(default_factory=lambda: {"auroc": 0.80})
    external_floors: dict = field(default_factory=dict)
    ceilings: dict = field(default_factory=dict)
    margins: dict = field(default_factory=lambda: {"auroc": 0.02})
    baseline_margin: float | None = 0.02
    coverage_margin: float | None = 0.05
    subgroup_gap: float = 0.15
    ece_max: float = 0.10
    parity_auroc: float = 0.005
    parity_probability: float = 0.05
    latency_p95_ms: float = 500.0
    clean_receipt: bool = True
    validated: bool = True


def between(low, value, high):
    return {"low": low, "value": value, "high": high}


def report():
    """A report that passes everything, each number well inside its limit."""
    metrics = {"auroc": between(0.91, 0.95, 0.98), "ece": between(0.01, 0.03, 0.06)}
    held = {"negative": between(0.85, 0.9, 0.94), "positive": between(0.8, 0.88, 0.93)}
    sets = {"coverage": between(0.86, 0.9, 0.93), "outcomes": held}
    return {
        "receipt": {"digest": "d", "clean": True, "problems": []},
        "validation": {"passed": True, "failed": []},
        "splits": {"test": {"metrics": metrics, "sets": sets}, "external": {"metrics": metrics}},
        "objective": {
            "name": "binary",
            "main": "auroc",
            "better": {
                "auroc": "higher",
                "ece": "lower",
                "brier": "lower",
                "calibration_slope": "one",
            },
        },
        "operating_point": {
            "temperature": 1.1,
            "threshold": 0.4,
            "coverage": 0.9,
            "least": [0.3, 0.2],
        },
        "subgroups": [
            {
                "column": "sex",
                "value": "F",
                "judged": True,
                "gap": {"auroc": between(-0.02, 0.01, 0.06)},
            }
        ],
        "baseline": {"difference": {"auroc": {"difference": 0.01, "low": 0.0, "high": 0.02}}},
        "parity": {"auroc_lost": 0.001, "probability_p95": 0.01},
        "latency_ms": {"p95": 12.0},
    }


def changed(path, value):
    """`report` with the value at dotted `path` replaced."""
    made = copy.deepcopy(report())
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place = made
    for step in steps:
        place = place[step]
    place[last] = value
    return made


def check(verdict, name):
    return next(each for each in verdict.checks if each.name == name)


LIMITS = [
    ("splits.test.metrics.auroc.low", "auroc", 0.80, 0.7999),
    ("splits.test.metrics.ece.high", "ece", 0.10, 0.1001),
    ("baseline.difference.auroc.low", "auroc against the baseline", -0.02, -0.0201),
    ("subgroups.0.gap.auroc.high", "subgroup sex = F", 0.15, 0.1501),
    ("parity.auroc_lost", "parity auroc", 0.005, 0.00501),
    ("parity.probability_p95", "parity probability", 0.05, 0.0501),
    ("latency_ms.p95", "latency", 500.0, 500.1),
    ("receipt.clean", "receipt", True, False),
    ("receipt.digest", "receipt", "d", None),
    ("validation.passed", "validation", True, False),
    ("operating_point.threshold", "operating point", 0.0, None),
    ("operating_point.thresholds", "operating point", [0.1, 0.2], [0.1, None]),
    ("operating_point.least", "operating point", [[0.1, 0.2]], [[0.1, None]]),
    ("splits.test.sets.coverage.high", "coverage", 0.85, 0.8499),
    ("splits.test.sets.outcomes.negative.high", "coverage of negative", 0.85, 0.8499),
    ("splits.test.sets.outcomes.positive.high", "coverage of positive", 0.85, None),
]


def test_a_good_first_model_is_allowed_and_the_verdict_says_that_it_is_the_first():
    verdict = decide(report(), None, Demands(), None)
    assert verdict.allowed
    assert verdict.reasons == []
    assert check(verdict, "champion").why.startswith("There is no champion yet")


@pytest.mark.parametrize(("path", "name", "good", "bad"), LIMITS, ids=[each[0] for each in LIMITS])
def test_each_limit_holds_on_both_sides(path, name, good, bad):
    allowed = decide(changed(path, good), None, Demands(), None)
    refused = decide(changed(path, bad), None, Demands(), None)
    assert allowed.allowed
    assert check(allowed, name).passed
    assert not refused.allowed
    assert [each.name for each in refused.checks if not each.passed] == [name]
    assert len(refused.reasons) == 1


@pytest.mark.parametrize(("low", "allowed"), [(-0.0199, True), (-0.02, False), (-0.3, False)])
def test_a_candidate_must_not_be_inferior_by_the_margin(low, allowed):
    comparison = {"auroc": {"difference": 0.0, "low": low, "high": 0.05}}
    verdict = decide(report(), report(), Demands(), comparison)
    assert verdict.allowed is allowed
    assert check(verdict, "auroc against the champion").value == low


@pytest.mark.parametrize(("high", "allowed"), [(0.0199, True), (0.02, False)])
def test_a_margin_on_a_metric_that_is_better_low_looks_at_the_upper_bound(high, allowed):
    policy = Demands(margins={"brier": 0.02})
    comparison = {"brier": {"difference": 0.0, "low": -0.5, "high": high}}
    assert decide(report(), report(), policy, comparison).allowed is allowed


def test_without_a_comparison_a_champion_cannot_be_beaten():
    verdict = decide(report(), report(), Demands(), None)
    assert not verdict.allowed
    assert verdict.reasons == ["AUROC's difference from the champion is not in the report"]


def test_margins_are_not_asked_of_a_first_model():
    assert decide(report(), None, Demands(margins={"auroc": 0.0}), None).allowed


@pytest.mark.parametrize(
    ("path", "undefined", "why"),
    [
        ("splits.test.metrics.auroc", {"value": None, "undefined": "one class only"}, "one class"),
        ("splits.test.metrics.ece", {"value": None, "undefined": "no examples"}, "no examples"),
        ("splits.test.metrics.auroc", None, "not in the report"),
        ("splits.test.metrics.auroc", {"low": float("nan")}, "not in the report"),
        ("subgroups.0.gap", None, "not in the report"),
        ("baseline.difference.auroc", {"undefined": "one class only"}, "one class only"),
        ("latency_ms", {}, "not in the report"),
        ("parity", None, "not in the report"),
        ("splits", {}, "not in the report"),
    ],
)
def test_what_is_undefined_fails_with_its_reason(path, undefined, why):
    verdict = decide(changed(path, undefined), None, Demands(), None)
    assert not verdict.allowed
    assert any(why in reason for reason in verdict.reasons)


def test_the_baseline_is_judged_where_there_is_one_and_the_policy_asks():
    worse = changed("baseline.difference.auroc.low", -0.5)
    assert decide(worse, None, Demands(baseline_margin=None), None).allowed
    names = [c.name for c in decide(changed("baseline", None), None, Demands(), None).checks]
    assert "auroc against the baseline" not in names


def test_external_floors_are_judged_where_the_policy_asks():
    policy = Demands(external_floors={"auroc": 0.90})
    assert decide(report(), None, policy, None).allowed
    assert not decide(changed("splits.external", None), None, policy, None).allowed
    assert decide(changed("splits.external", None), None, Demands(), None).allowed


def test_an_unclean_receipt_passes_only_where_the_policy_says_so_and_is_told():
    unclean = changed("receipt", {"digest": "d", "clean": False, "problems": ["170 patients"]})
    assert "170 patients" in decide(unclean, None, Demands(), None).reasons[0]
    verdict = decide(unclean, None, Demands(clean_receipt=False), None)
    assert verdict.allowed
    assert "170 patients" in check(verdict, "receipt").why


def test_no_policy_does_without_a_receipt():
    absent = changed("receipt", {})
    assert not decide(absent, None, Demands(clean_receipt=False), None).allowed


def test_failed_validation_names_the_rules_and_may_be_waived():
    failed = changed("validation", {"passed": False, "failed": ["age within 0…120"]})
    assert "age within 0…120" in decide(failed, None, Demands(), None).reasons[0]
    assert decide(failed, None, Demands(validated=False), None).allowed


def test_a_subgroup_too_small_to_judge_does_not_decide():
    small = {"column": "sex", "value": "X", "judged": False, "gap": None}
    verdict = decide(changed("subgroups", [small]), None, Demands(), None)
    assert verdict.allowed
    assert check(verdict, "subgroups").why == "No subgroup has enough examples to be judged"


@pytest.mark.parametrize(("high", "allowed"), [(0.19, True), (0.21, False)])
def test_a_ceiling_holds_for_the_upper_bound(high, allowed):
    measured = changed("splits.test.metrics.ece", between(0.1, 0.15, high))
    assert (
        decide(measured, None, Demands(ceilings={"ece": 0.2}, ece_max=1.0), None).allowed is allowed
    )


def test_a_metric_that_the_objective_does_not_have_is_named_with_those_that_it_has():
    verdict = decide(report(), None, Demands(floors={"r2": 0.5}), None)
    assert verdict.reasons == [
        "r2 is not measured here; take its floor out of the policy. "
        "Known: auroc, ece, brier, calibration_slope"
    ]


def test_a_baseline_in_a_metric_that_is_better_low_looks_at_the_upper_bound():
    made = changed("objective.main", "brier")
    made["parity"]["brier_lost"] = made["subgroups"][0]["gap"]["brier"] = 0.0
    for high, allowed in ((0.0199, True), (0.0201, False)):
        made["baseline"] = {"difference": {"brier": {"low": -0.5, "high": high}}}
        found = check(decide(made, None, Demands(), None), "brier against the baseline")
        assert found.passed is allowed


@pytest.mark.parametrize("metric", ["ece", "brier", "calibration_slope"])
def test_a_floor_that_says_nothing_is_refused_instead_of_ignored(metric):
    verdict = decide(report(), None, Demands(floors={metric: 0.1}), None)
    assert "take its floor out of the policy" in verdict.reasons[0]


def test_reasons_are_sentences_with_value_and_limit():
    low = decide(changed("splits.test.metrics.auroc.low", 0.79999), None, Demands(), None)
    assert low.reasons == ["AUROC's lower bound 0.79999 is below 0.8"]
    passed = decide(report(), None, Demands(), None)
    assert check(passed, "auroc").why == "AUROC's lower bound 0.91 is at least 0.8"


def test_the_policy_of_params_yaml_fits():
    assert decide(report(), None, GateParams(), None).allowed


SHARES = st.floats(0, 1)


@st.composite
def outcomes(draw):
    """What the gate looks at: (higher is better…, lower is better…)."""
    good = {name: draw(SHARES) for name in ("auroc", "difference")}
    bad = {name: draw(SHARES) for name in ("ece", "gap", "auroc_lost", "p95", "latency")}
    return good, bad


def verdict_of(good, bad):
    made = report()
    made["splits"]["test"]["metrics"]["auroc"]["low"] = good["auroc"]
    made["splits"]["test"]["metrics"]["ece"]["high"] = bad["ece"]
    made["subgroups"][0]["gap"]["auroc"]["high"] = bad["gap"]
    made["parity"] = {"auroc_lost": bad["auroc_lost"], "probability_p95": bad["p95"]}
    made["latency_ms"]["p95"] = 1000 * bad["latency"]
    comparison = {"auroc": {"low": good["difference"] - 0.5}}
    return decide(made, made, Demands(floors={"auroc": 0.5}), comparison)


@given(outcomes(), st.lists(SHARES, min_size=7, max_size=7))
def test_better_numbers_never_turn_allowed_into_refused(outcome, gains):
    good, bad = outcome
    better = {name: value + gain for (name, value), gain in zip(good.items(), gains, strict=False)}
    lower = {
        name: value * (1 - gain) for (name, value), gain in zip(bad.items(), gains[2:], strict=True)
    }
    before, after = verdict_of(good, bad), verdict_of(better, lower)
    assert after.allowed or not before.allowed
    assert {c.name for c in before.checks if c.passed} <= {c.name for c in after.checks if c.passed}


def test_the_gate_can_refuse_and_allow_in_the_property_above():
    good, bad = (
        {"auroc": 1.0, "difference": 1.0},
        dict.fromkeys(("ece", "gap", "auroc_lost", "p95", "latency"), 0.0),
    )
    assert verdict_of(good, bad).allowed
    assert not verdict_of({**good, "auroc": 0.1}, bad).allowed


def test_sets_that_hold_the_truth_too_rarely_are_told_what_was_promised():
    found = check(decide(report(), None, Demands(), None), "coverage of positive")
    assert (found.value, found.limit) == (0.93, 0.85)
    assert found.why.endswith("upper bound 0.93, at least 0.85: 0.9 was promised")


def test_of_labels_every_outcome_of_each_is_judged_and_nothing_without_a_margin():
    part = {"outcomes": {"positive": between(0.5, 0.6, 0.7)}}
    made = changed("splits.test.sets.parts", {"renal": part})
    names = [each.name for each in decide(made, None, Demands(), None).checks if not each.passed]
    assert names == ["coverage of renal positive"]
    assert decide(made, None, Demands(coverage_margin=None), None).allowed


def test_coverage_that_was_not_measured_is_refused():
    made = changed("splits.test.sets", {"coverage": {"value": None, "undefined": "no example"}})
    (reason,) = decide(made, None, Demands(), None).reasons
    assert reason == "The coverage is undefined: no example"


NEWEST = {"examples": 80, "undefined": "", "metrics": {"auroc": between(0.70, 0.75, 0.799)}}


@pytest.mark.parametrize(
    ("newest", "passed"),
    [
        (None, None),
        (NEWEST, False),
        ({**NEWEST, "metrics": {"auroc": between(0.60, 0.72, 0.80)}}, True),
        ({"examples": 3, "undefined": "3 examples; 30 are needed", "metrics": {}}, True),
    ],
)
def test_the_newest_alone_may_not_be_below_a_floor_for_certain(newest, passed):
    found = decide(report(), None, Demands(), None, newest)
    checks = [check for check in found.checks if check.name == "auroc of the newest"]
    assert [check.passed for check in checks] == ([] if passed is None else [passed])
    assert found.allowed is (passed is not False)
