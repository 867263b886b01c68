"""From counts to a decision, worked by hand or held against SciPy."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import stats

from medpipe.probation import Decision, Tally, Terms, decide, is_too_many, surely_broken

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
TERMS = Terms(
    mode="shadow",
    share=0.0,
    answers=200,
    error_rate=0.02,
    latency_p95_ms=500.0,
    agreement=0.9,
    began=BEGAN.isoformat(),
    until=(BEGAN + timedelta(hours=72)).isoformat(),
)
SOON = BEGAN + timedelta(hours=1)
GOOD = Tally(answers=200, errors=0, late=0, compared=200, differ=0)


def test_enough_answers_within_every_bound_make_it_champion():
    assert decide(GOOD, TERMS, SOON).verb == "full"


@pytest.mark.parametrize(
    ("field", "most", "word"), [("errors", 4, "failed"), ("late", 10, "took"), ("differ", 20, "sa")]
)
def test_each_bound_holds_to_its_last_answer_and_no_further(field, most, word):
    """2 % of 200 may fail, 5 % come late, 10 % differ."""
    kept = replace(GOOD, **{field: most})
    assert decide(kept, TERMS, SOON).verb == "full"
    broken = decide(replace(GOOD, **{field: most + 1}), TERMS, SOON)
    assert broken.verb == "roll back"
    assert word in broken.why[0]


def test_few_answers_keep_it_on_until_time_is_up():
    few = Tally(answers=40, compared=40)
    assert decide(few, TERMS, SOON).verb == "keep on"
    late = decide(few, TERMS, BEGAN + timedelta(hours=72))
    assert late == Decision(
        "roll back", ("Only 40 of 200 answers came until 2026-01-04T00:00:00+00:00",)
    )


def test_answers_that_were_not_compared_do_not_end_a_probation():
    assert decide(replace(GOOD, compared=150), TERMS, SOON).verb == "keep on"


def test_one_failure_proves_nothing_and_two_of_two_do():
    """Were 2 % to fail, one of one has the chance 0.02, and two of two 0.0004."""
    assert surely_broken(Tally().failed(), TERMS) == ()
    assert surely_broken(Tally().failed().failed(), TERMS) == (
        "2 of 2 answers failed; 0.02 of them may",
    )


def test_the_test_is_scipy_s():
    rng = np.random.default_rng(0)
    for _ in range(300):
        among, share = int(rng.integers(1, 3000)), float(rng.uniform(0.001, 0.5))
        count = int(rng.binomial(among, min(1.0, share * rng.uniform(0.8, 3))))
        expected = stats.binomtest(count, among, share, alternative="greater").pvalue < 1e-3
        assert is_too_many(count, among, share) == expected


def test_a_candidate_at_half_of_its_bounds_is_rarely_taken_away():
    """Looked at after every answer, of 500 probations at most 1 %: it is 5 by chance."""
    rng, stopped = np.random.default_rng(1), 0
    for _ in range(500):
        tally = Tally()
        for fails, late, differs in rng.random((200, 3)) < (0.01, 0.025, 0.05):
            tally = tally.failed() if fails else tally.given(late=late, differs=differs)
            if surely_broken(tally, TERMS):
                stopped += 1
                break
    assert stopped <= 5


def test_no_bound_is_broken_where_nothing_was_asked():
    assert surely_broken(Tally(), replace(TERMS, error_rate=0.0, agreement=1.0)) == ()
