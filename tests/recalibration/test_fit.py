"""The line that puts risks right, against scikit-learn, and when it is fitted at all."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from medpipe.recalibration import change, fit


def drawn(rng, count, *, intercept=0.0, slope=1.0):
    """Logits of risks, and outcomes of which they are the truth once they are corrected."""
    scores = rng.normal(-1.5, 1.2, count)
    return scores, rng.random(count) < expit(intercept + slope * scores)


def test_both_coefficients_are_those_of_a_logistic_regression():
    scores, outcomes = drawn(np.random.default_rng(0), 2000, intercept=0.5, slope=0.6)
    found = fit.fit(scores, outcomes).correction
    second = LogisticRegression(C=np.inf, tol=1e-12).fit(scores[:, None], outcomes)
    assert found.intercept == pytest.approx(second.intercept_[0], abs=1e-5)
    assert found.slope == pytest.approx(second.coef_[0, 0], abs=1e-5)


def test_the_intercept_alone_makes_expected_outcomes_as_many_as_observed():
    scores, outcomes = drawn(np.random.default_rng(1), 2000, intercept=0.8)
    found = fit.intercept(scores, outcomes)
    root = brentq(lambda a: expit(a + scores).sum() - outcomes.sum(), -5, 5, xtol=1e-12)
    assert (found.slope, found.intercept) == (1.0, pytest.approx(root, abs=1e-6))


@pytest.mark.parametrize(
    ("truth", "has_slope"), [({"intercept": 0.8}, False), ({"slope": 0.5}, True)]
)
def test_a_slope_is_fitted_where_the_outcomes_bear_it(truth, has_slope):
    rngs = map(np.random.default_rng, range(20))
    found = [fit.fit(*drawn(rng, 800, **truth)).correction for rng in rngs]
    with_slope = sum(correction.slope != 1 for correction in found)
    assert with_slope >= 18 if has_slope else with_slope <= 4  # 1 of 20 is expected by chance


def test_right_risks_are_changed_in_one_of_twenty_cases():
    rngs = map(np.random.default_rng, range(400))
    changed = sum(fit.fit(*drawn(rng, 300)).correction != fit.NONE for rng in rngs)
    assert 8 <= changed <= 34  # 20 expected; these are 2.8 standard errors to each side


def test_outcomes_that_the_risks_foretell_without_error_give_finite_numbers():
    scores = np.array([-2.0, -1.0, 1.0, 2.0])
    found = fit.fit(scores, scores > 0)
    assert np.isfinite([found.correction.intercept, found.correction.slope]).all()


def test_answers_from_before_a_change_of_prevalence_are_left_out():
    rng = np.random.default_rng(3)
    parts = [drawn(rng, 900), drawn(rng, 400, intercept=np.log(2.5))]
    scores, outcomes = (np.concatenate(each) for each in zip(*parts, strict=True))
    start = change.last(scores, outcomes)
    assert abs(start - 900) < 60
    assert fit.fit(scores[start:], outcomes[start:]).correction.intercept == pytest.approx(
        np.log(2.5), abs=0.25
    )


def test_the_moment_is_that_of_the_likeliest_two_intercepts():
    rng = np.random.default_rng(4)
    parts = [drawn(rng, 150), drawn(rng, 100, intercept=2.0)]
    scores, outcomes = (np.concatenate(each) for each in zip(*parts, strict=True))

    def likelihood(start):
        halves = ((scores[:start], outcomes[:start]), (scores[start:], outcomes[start:]))
        return sum(
            np.sum(y * x - np.logaddexp(0, x))
            for s, y in halves
            for x in [fit.intercept(s, y).of(s)]
        )

    best = max(range(60, 190), key=likelihood)
    assert abs(change.last(scores, outcomes) - best) <= 5  # the score test is its approximation


def test_without_a_change_nothing_is_left_out_in_ninety_nine_of_a_hundred_cases():
    rngs = map(np.random.default_rng, range(300))
    assert sum(change.last(*drawn(rng, 500, intercept=0.7)) > 0 for rng in rngs) <= 8  # 3 expected


def test_one_kind_of_outcome_alone_has_not_changed():
    assert change.last(logit(np.full(50, 0.2)), np.zeros(50, bool)) == 0
