"""A correction from a simulated hospital, on later answers, and what is decided on it."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from medpipe.monitoring import performance
from medpipe.monitoring.policy import MonitorParams
from medpipe.monitoring.verdict import is_worse
from medpipe.monitoring.windows import ALL
from medpipe.objectives.binary import OperatingPoint
from medpipe.plan.section import RecalibrationPlan
from medpipe.recalibration.evidence import Evidence, weigh
from medpipe.recalibration.judge import checks
from medpipe.recalibration.known import Known
from medpipe.recalibration.moved import logits, moved, risk
from medpipe.sections import EvaluateParams

POLICY = RecalibrationPlan(cases_least=30)
POINT = OperatingPoint(1.5, 0.1, coverage=0.9, least=(0.6, 0.05))
PROMISED = {"value": 0.86, "low": 0.82, "high": 0.89}
RIGHT = {"calibration_intercept": {"value": 0.0, "low": -0.2, "high": 0.2}}
APART = 1.5
"""Standard deviations between the patients with and without the outcome: AUROC 0.856."""


def hospital(share, count, *, seed=0, before=0.15, told_apart=APART, noise=0.0):
    """`count` answers to patients of whom `share` have the outcome, risks right where 15 % do.

    What patients with and without it look like does not depend on how many there are.
    """
    rng = np.random.default_rng(seed)
    outcomes = rng.random(count) < share
    seen = rng.normal(told_apart * outcomes, 1) + noise * rng.normal(size=count)
    scores = APART * seen - APART**2 / 2 + np.log(before / (1 - before))  # Bayes, of two normals
    start = datetime(2026, 1, 1)
    days = [(start + timedelta(hours=6 * n)).isoformat() + "+00:00" for n in range(count)]
    risks = risk(POINT)(POINT.temperature * scores)
    return Known(np.array(days), risks, outcomes, answered=2 * count)


def weighed(known, **changes):
    options = {"cases_least": 30, "keeps_risk": False, "promised": PROMISED, **changes}
    evidence = weigh(known, POINT, EvaluateParams(resamples=100), **options)
    return evidence, moved(POINT, evidence.correction, keeps_risk=options["keeps_risk"])


def failed(evidence):
    return [check.name for check in checks(evidence, POLICY) if not check.passed]


def test_doubled_prevalence_is_put_right_and_nobody_is_flagged_otherwise():
    evidence, after = weighed(hospital(0.3, 900))
    assert failed(evidence) == []
    odds = (0.3 / 0.7) / (0.15 / 0.85)
    assert evidence.correction.intercept == pytest.approx(np.log(odds), abs=0.25)
    assert evidence.before["observed_expected"]["value"] > 1.5
    assert evidence.changed == 0
    fresh = hospital(0.3, 20_000, seed=1)
    given = logits(fresh.risks, POINT)
    assert fresh.cases / risk(after)(given).sum() == pytest.approx(1, abs=0.1)
    flagged = risk(after)(given) >= after.threshold
    assert (flagged == (fresh.risks >= POINT.threshold)).all()


def test_the_monitor_is_content_with_what_the_answers_have_promised():
    evidence, after = weighed(hospital(0.3, 1500))
    fresh = hospital(0.3, 1500, seed=1)
    for point, worse in ((POINT, ["observed_expected"]), (after, [])):
        known = performance.Known(risk(point)(logits(fresh.risks, POINT)), fresh.outcomes)
        promises = evidence.after if point == after else {**evidence.after, **RIGHT}
        found = performance.measured(
            known, promises, MonitorParams(), whom=ALL, question="", confidence=0.95
        )
        assert [one.name for one in found if is_worse(one, MonitorParams())] == worse


def test_a_threshold_that_is_a_risk_flags_more_where_risks_have_risen():
    evidence, after = weighed(hospital(0.3, 900), keeps_risk=True)
    assert after.threshold == POINT.threshold
    assert evidence.changed > 20
    assert failed(evidence) == []


@pytest.mark.parametrize(("share", "least", "most"), [(0.3, 12, 20), (0.15, 0, 2)])
def test_most_corrections_that_are_needed_are_allowed_and_hardly_any_other(share, least, most):
    found = (weighed(hospital(share, 400, seed=seed))[0] for seed in range(100, 120))
    assert least <= sum(not failed(evidence) for evidence in found) <= most


def test_answers_from_before_the_change_do_not_dilute_the_correction():
    old, new = hospital(0.15, 900), hospital(0.3, 600, seed=1)
    both = Known(*(np.r_[getattr(old, n), getattr(new, n)] for n in ("at", "risks", "outcomes")))
    evidence, _ = weighed(both)
    assert 800 < evidence.left_out < 1000
    assert evidence.correction.intercept == pytest.approx(0.887, abs=0.3)


def test_risks_that_are_right_are_left_alone():
    evidence, after = weighed(hospital(0.15, 900))
    assert failed(evidence) == ["correction needed"]
    assert after == POINT


def test_too_few_outcomes_are_counted_and_nothing_is_fitted():
    evidence, after = weighed(hospital(0.3, 90))
    assert (failed(evidence), after) == (["outcomes"], POINT)
    (check,) = checks(evidence, POLICY)
    assert f"{evidence.judged.cases} of 30 answers had the outcome" in check.why
    assert "30 each are needed" in check.why


def test_none_at_all_are_too_few_as_well():
    empty = Known(np.array([], str), np.array([]), np.array([], bool))
    assert failed(weighed(empty)[0]) == ["outcomes"]


def test_a_model_that_tells_patients_apart_worse_is_not_recalibrated():
    evidence, _ = weighed(hospital(0.3, 1500, noise=1.5))
    assert "auroc held" in failed(evidence)


@pytest.mark.parametrize(
    ("figures", "name", "found", "check"),
    [
        ("after", "observed_expected", (1.26, 1.0, 1.5), "observed over expected"),
        ("after", "observed_expected", (0.79, 0.6, 1.0), "observed over expected"),
        ("after", "calibration_slope", (0.7, 0.5, 0.9), "calibration slope"),
        ("after", "auroc", (0.855, 0.83, 0.88), "order of patients"),
        ("gain", "log_loss", (0.0001, -0.03, 0.03), "log loss"),
        ("gain", "brier", (0.0001, -0.01, 0.01), "brier"),
    ],
)
def test_what_is_not_better_on_later_answers_is_refused(figures, name, found, check):
    evidence, _ = weighed(hospital(0.3, 900))
    worse = {name: dict(zip(("value", "low", "high"), found, strict=True))}
    assert failed(replace(evidence, **{figures: {**getattr(evidence, figures), **worse}})) == [
        check
    ]


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        ((1.11, 0.97, 1.25), (0.88, 0.75, 1.02), False),  # nearly all patients are told apart
        ((1.11, 0.97, 1.25), (0.88, 0.79, 0.97), True),
        ((1.11, 1.01, 1.21), (1.10, 1.01, 1.19), False),
    ],
)
def test_as_many_outcomes_as_expected_or_nearer_to_it(before, after, refused):
    evidence, _ = weighed(hospital(0.3, 900))
    figures = {
        name: {
            **getattr(evidence, name),
            "observed_expected": dict(zip(("value", "low", "high"), found, strict=True)),
        }
        for name, found in (("before", before), ("after", after))
    }
    assert failed(replace(evidence, **figures)) == ["observed over expected"] * refused


def test_another_decision_is_refused_unless_the_threshold_is_a_risk():
    evidence, _ = weighed(hospital(0.3, 900))
    assert failed(replace(evidence, changed=1)) == ["decisions"]
    assert failed(replace(evidence, changed=1, keeps_risk=True)) == []


def test_evidence_survives_being_written_down():
    evidence, _ = weighed(hospital(0.3, 900))
    assert Evidence.read(evidence.as_json()) == evidence
