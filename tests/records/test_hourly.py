"""Series on a grid of hours, with numbers worked by hand."""

import numpy as np
import pytest

from medpipe.columns import Column
from medpipe.records import hourly

SUGAR = Column("glucose_mg_dl", "series", "glucose", "mg/dL", low=10, high=2000, span_h=4)


def one(values, measured):
    """Summaries of one series (T,), by name."""
    found = hourly.summaries(
        np.array(values, np.float32)[None, :, None], np.array(measured, np.uint8)[None, :, None]
    )
    return dict(zip(hourly.SUMMARIES, found[0].tolist(), strict=True))


def test_the_mean_of_each_hour_is_taken_and_the_end_belongs_to_the_last():
    pairs = [(0.5, 100), (0.9, 120), (2.0, 90), (4.0, 80)]
    means, counts = hourly.means(pairs, SUGAR, hours=4)
    assert means.tolist() == [110, 0, 90, 80]
    assert counts.tolist() == [2, 0, 1, 1]


@pytest.mark.parametrize(
    "pair",
    [(1, 9.9), (1, 2000.1), (-0.1, 100), (4.01, 100), (1, np.nan), (1, np.inf), (np.nan, 100)],
)
def test_what_is_impossible_is_no_measurement_and_is_not_cut_to_the_range(pair):
    assert hourly.usable([pair, (1, 100)], SUGAR).tolist() == [[1, 100]]


@pytest.mark.parametrize("pair", [(0, 10), (4, 2000)])
def test_the_limits_themselves_are_possible(pair):
    assert hourly.usable([pair], SUGAR).tolist() == [list(pair)]


def test_order_does_not_matter_to_the_last_bit():
    rng = np.random.default_rng(0)
    pairs = np.column_stack([rng.uniform(0, 4, 200), rng.uniform(10, 2000, 200)])
    there, back = (hourly.means(p.tolist(), SUGAR, hours=4)[0] for p in (pairs, pairs[::-1]))
    assert there.tobytes() == back.tobytes()


@pytest.mark.parametrize("pairs", [None, []])
def test_a_series_without_measurements_is_empty(pairs):
    means, counts = hourly.means(pairs, SUGAR, hours=4)
    assert not means.any()
    assert not counts.any()


def test_summaries_are_those_worked_by_hand():
    found = one([0, 2, 0, 6, 0], [0, 1, 0, 1, 0])
    assert found == {
        "last": 6, "first": 2, "mean": 4, "lowest": 2, "highest": 6, "spread": 2,
        "trend": 2,  # 4 more in 2 hours
        "count": 2, "since": 1,
    }  # fmt: skip


def test_of_what_was_never_measured_only_the_count_is_known():
    found = one([0, 0], [0, 0])
    assert found.pop("count") == 0
    assert all(np.isnan(value) for value in found.values())


def test_one_measurement_has_no_trend():
    found = one([0, 3], [0, 1])
    assert (found["last"], found["spread"], found["since"]) == (3, 0, 0)
    assert np.isnan(found["trend"])
