"""Numbers of the tests for drift come from SciPy, or are worked by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from medpipe.monitoring import drift
from medpipe.monitoring.drift import Counted
from medpipe.monitoring.facts import MISSING, Fact

AGE = Fact(name="age_years", part="input", edges=(40, 60), counts=(30, 40, 30), missing=0)


def counted(*bins, missing=0):
    return Counted(np.array(bins), missing)


def of(found, kind):
    return next(shift for shift in found if shift.kind == kind)


def test_chi_squared_is_that_of_scipy():
    first, second = np.array([30, 40, 30]), np.array([5, 20, 35])
    expected = stats.chi2_contingency([first, second], correction=False).pvalue
    assert drift.chi_squared(first, second) == pytest.approx(expected, rel=1e-12)


def test_the_largest_gap_is_that_of_scipy_over_the_same_values():
    first, second = np.array([300, 400, 300]), np.array([100, 200, 350])
    values = [np.repeat([0, 1, 2], counts) for counts in (first, second)]
    expected = stats.ks_2samp(*values, method="asymp").pvalue
    assert math.log(drift.largest_gap(first, second)) == pytest.approx(math.log(expected), rel=0.05)


def test_psi_by_hand():
    # Shares 0.5, 0.5 and 0.8, 0.2 after half a count more in each bin of 9 and of 4.
    expected = 0.3 * math.log(0.8 / 0.5) - 0.3 * math.log(0.2 / 0.5)
    assert drift.psi(np.array([4.5, 4.5]), np.array([3.5, 0.5])) == pytest.approx(expected)


def test_holm_by_hand():
    assert drift.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert drift.holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert drift.holm([]).shape == (0,)


def test_size_is_what_chance_does_not_explain():
    rng = np.random.default_rng(1)
    sizes = [
        of(drift.shifts(AGE, counted(*a), counted(*b)), "spread").size
        for a, b in rng.multinomial(60, [0.3, 0.4, 0.3], size=(2000, 2))
    ]
    assert np.mean(sizes) == pytest.approx(0, abs=0.005)  # the plain index is 0.067 on average


def test_a_shift_of_ordered_bins_is_found_by_the_gap_and_one_of_shape_by_chi_squared():
    reference = counted(*[40] * 10)
    fact = AGE.model_copy(update={"edges": tuple(range(9)), "counts": (40,) * 10})
    shifted = counted(3, 4, 6, 7, 9, 11, 13, 14, 16, 17)
    hollow = counted(20, 15, 8, 5, 2, 2, 5, 8, 15, 20)
    assert of(drift.shifts(fact, reference, shifted), "spread").test == "Kolmogorov–Smirnov"
    found = of(drift.shifts(fact, reference, hollow), "spread")
    assert found.test == "chi-squared"
    assert found.p == pytest.approx(
        2 * stats.chi2_contingency([reference.bins, hollow.bins], correction=False).pvalue
    )


def test_what_is_not_stated_any_more_is_found_by_fishers_test_and_leaves_the_rest_alone():
    found = drift.shifts(AGE, Counted.of(AGE), counted(12, 16, 12, missing=20))
    gone = of(found, "not stated")
    assert (gone.size, gone.shown) == pytest.approx((1 / 3, 1 / 3))
    assert gone.p == pytest.approx(stats.fisher_exact([[0, 100], [20, 40]]).pvalue)
    assert of(found, "spread").p > 0.9


def test_a_fact_that_is_always_stated_is_not_asked_for_its_absence():
    assert [shift.kind for shift in drift.shifts(AGE, Counted.of(AGE), counted(9, 12, 9))] == [
        "spread"
    ]


def test_a_fact_that_was_never_stated_has_no_spread():
    empty = Fact(name="lactate", part="input", counts=(0,), missing=50)
    found = drift.shifts(empty, Counted.of(empty), counted(8, missing=2))
    assert [shift.kind for shift in found] == ["not stated"]


def test_sparse_bins_join_their_neighbours_and_rare_words_one_another():
    first, second = np.array([50, 1, 2, 47]), np.array([25, 1, 0, 24])
    assert [b.tolist() for b in drift.merged(first, second, ordered=True)] == [[50, 50], [25, 25]]
    words, now = np.array([3, 50, 2, 45, 4]), np.array([4, 40, 3, 50, 3])
    assert [b.tolist() for b in drift.merged(words, now, ordered=False)] == [
        [45, 50, 9],
        [50, 40, 10],
    ]


def test_a_window_is_counted_into_the_bins_of_the_fact():
    found = Counted.among(AGE, np.array([2, 0, MISSING, 2], np.int8))
    assert (found.bins.tolist(), found.missing, found.total) == ([1, 0, 2], 1, 4)


@pytest.mark.parametrize("sizes", [(200, 60), (1000, 1000)])
def test_where_nothing_moved_p_is_small_no_more_often_than_it_says(sizes):
    rng = np.random.default_rng(7)
    fact = AGE.model_copy(update={"edges": tuple(range(9)), "counts": (1,) * 10})
    pairs = [[rng.multinomial(n, [0.1] * 10) for n in sizes] for _ in range(4000)]
    p = np.array([drift.shifts(fact, counted(*a), counted(*b))[0].p for a, b in pairs])
    assert (p <= 0.05).mean() <= 0.05
    assert (p <= 0.01).mean() <= 0.014  # 0.01 and two and a half standard errors
