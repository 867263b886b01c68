"""How answers turned out, against simulated truths and a second way of counting."""

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm

from medpipe.evaluation import metrics
from medpipe.evaluation.sample import Sample
from medpipe.monitoring import performance
from medpipe.monitoring.performance import Known
from medpipe.monitoring.policy import MonitorParams
from medpipe.monitoring.windows import ALL

POLICY = MonitorParams()


def drawn(rng, count, *, prevalence_odds=1.0, noise=0.0, shuffled=0.0):
    """Risks that are right; then prevalence, the inputs' meaning or the labels change."""
    risks = expit(rng.normal(-1.4, 1.5, count))
    truth = expit(logit(risks) + np.log(prevalence_odds))
    outcomes = rng.random(count) < truth
    mixed = rng.random(count) < shuffled
    outcomes = np.where(mixed, rng.permutation(outcomes), outcomes)
    return Known(expit(logit(risks) + rng.normal(0, noise, count)), outcomes)


def promised(rng, count=2000):
    known = drawn(rng, count)
    sample = Sample.of(known.outcomes.astype(int), known.risks, np.arange(count))
    return metrics.measure(sample, at=0.5, confidence=0.95, resamples=100, seed=1)


def found(known, promise):
    made = performance.measured(known, promise, POLICY, whom=ALL, question="", confidence=0.95)
    return {one.name: one for one in performance.corrected(made)}


def worse(known, promise):
    return {n for n, m in found(known, promise).items() if m.worse and m.p <= POLICY.outcome_alpha}


@pytest.fixture(scope="module")
def promise():
    return promised(np.random.default_rng(0))


def test_answers_as_good_as_promised_are_not_called_worse(promise):
    assert worse(drawn(np.random.default_rng(1), 600), promise) == set()


def test_twice_the_prevalence_is_more_than_expected_and_ranks_as_before(promise):
    known = drawn(np.random.default_rng(2), 600, prevalence_odds=2.5)
    assert "observed_expected" in worse(known, promise)
    assert "auroc" not in worse(known, promise)
    ratio = found(known, promise)["observed_expected"]
    assert ratio.value == pytest.approx(known.outcomes.sum() / known.risks.sum())
    assert ratio.low < ratio.value < ratio.high


@pytest.mark.parametrize("change", [{"noise": 2.5}, {"shuffled": 0.6}])
def test_another_meaning_of_inputs_or_labels_orders_worse(promise, change):
    assert "auroc" in worse(drawn(np.random.default_rng(3), 600, **change), promise)


def test_p_is_that_of_the_difference_of_two_estimates():
    promise = {"auroc": {"value": 0.9, "low": 0.9 - 1.96 * 0.03, "high": 0.9 + 1.96 * 0.03}}
    known = drawn(np.random.default_rng(4), 400)
    sample = Sample.of(known.outcomes.astype(int), known.risks, np.arange(400))
    (auroc,) = performance.measured(known, promise, POLICY, whom=ALL, question="", confidence=0.95)
    # Hanley and McNeil's error of an AUROC, another formula than ours.
    a, p, n = auroc.value, sample.positives, sample.negatives
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    error = np.sqrt((a * (1 - a) + (p - 1) * (q1 - a * a) + (n - 1) * (q2 - a * a)) / (p * n))
    assert norm.isf(auroc.p) == pytest.approx((0.9 - a) / np.hypot(0.03, error), rel=0.1)


def test_a_metric_that_was_not_promised_is_not_judged():
    known = drawn(np.random.default_rng(5), 200)
    undefined = {"auroc": {"value": None, "low": None, "high": None}}
    assert found(known, undefined) == {}


def test_too_few_outcomes_are_named_with_the_limit():
    few = drawn(np.random.default_rng(6), 40)
    assert few.why_not(POLICY) == "40 outcomes known, 100 are needed"
    none = Known(np.full(200, 0.1), np.zeros(200, bool))
    assert none.why_not(POLICY).startswith("0 of 200 outcomes are positive, and 10 of each")
    assert drawn(np.random.default_rng(7), 400).why_not(POLICY) == ""


def test_the_expected_auroc_is_that_of_all_pairs():
    risks = np.array([0.1, 0.4, 0.4, 0.8])
    won = pairs = 0.0
    for i, one in enumerate(risks):
        for j, other in enumerate(risks):
            if i != j:
                pairs += one * (1 - other)
                won += one * (1 - other) * ((one > other) + (one == other) / 2)
    assert performance.expected_auroc(risks) == pytest.approx(won / pairs, rel=1e-12)


def test_the_expected_auroc_comes_true_where_risks_are_right():
    known = drawn(np.random.default_rng(8), 20_000)
    sample = Sample.of(known.outcomes.astype(int), known.risks, np.arange(20_000))
    expected = metrics.auroc(sample, confidence=0.95).value
    assert performance.expected_auroc(known.risks) == pytest.approx(expected, abs=0.01)


def test_patients_who_are_harder_to_tell_apart_are_seen_without_outcomes(promise):
    alike = expit(np.random.default_rng(9).normal(-1.4, 0.5, 300))
    usual = drawn(np.random.default_rng(9), 300).risks
    for risks, is_worse in ((alike, True), (usual, False)):
        one = performance.estimated(risks, promise, POLICY, question="", confidence=0.95)
        assert (one.worse and one.p <= POLICY.outcome_alpha) is is_worse
