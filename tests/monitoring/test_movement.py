"""Windows of the calendar, and what moved in them, of whom, and whether it stays."""

from datetime import timedelta

import numpy as np
import pytest
from seen_answers import CERTIFICATE, MONDAY, reference, values, week

from medpipe.errors import AuditError
from medpipe.monitoring import movement, windows
from medpipe.monitoring.drift import Shift
from medpipe.monitoring.policy import MonitorParams
from medpipe.monitoring.windows import ALL

POLICY = MonitorParams()


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def watched(rng):
    return reference(rng)


def cut(rows, watched, *, weeks):
    now = MONDAY + timedelta(weeks=weeks)
    return windows.cut(rows, watched, certificate=CERTIFICATE, days=7, now=now)


def moved(found):
    return {(m.whom, m.shift.fact, m.shift.kind): m for m in found if m.moved}


def test_a_window_that_is_not_over_is_judged_by_nobody(rng, watched):
    rows = week(watched, 0, values(rng, 70)) + week(watched, 1, values(rng, 70))
    assert [len(window) for window in cut(rows, watched, weeks=1.99)] == [70]
    assert [len(window) for window in cut(rows, watched, weeks=2)] == [70, 70]


def test_weeks_without_an_answer_are_windows_too(rng, watched):
    rows = week(watched, 0, values(rng, 5)) + week(watched, 3, values(rng, 5))
    found = cut(rows, watched, weeks=5)
    assert [len(window) for window in found] == [5, 0, 0, 5, 0]
    assert found[1].start == found[0].end == MONDAY + timedelta(weeks=1)


def test_answers_of_another_release_are_passed_over(rng, watched):
    rows = week(watched, 0, values(rng, 5))
    assert windows.cut(rows, watched, certificate="other", days=7, now=MONDAY) == []


def test_a_row_that_does_not_fit_the_release_is_named(rng, watched):
    rows = week(watched.model_copy(update={"facts": watched.facts[:2]}), 0, values(rng, 1))
    with pytest.raises(AuditError, match="has 2 facts, and its release 4"):
        cut(rows, watched, weeks=1)


def test_another_scanner_is_seen_at_once_and_counts_from_its_second_window(rng, watched):
    found = [
        cut(week(watched, n, values(rng, 120, distance=1.5 * (n >= 2))), watched, weeks=n + 1)[-1]
        for n in range(4)
    ]
    assert not moved(movement.of_all(watched, found[:2], POLICY))
    first = moved(movement.of_all(watched, found[:3], POLICY))
    assert list(first) == [(ALL, "distance", "spread")]
    assert not first[ALL, "distance", "spread"].lasting
    second = moved(movement.of_all(watched, found[1:4], POLICY))
    assert second[ALL, "distance", "spread"].lasting


def test_a_difference_that_is_certain_and_small_is_no_movement(watched):
    rng = np.random.default_rng(0)
    large = reference(rng, 20_000)
    found = cut(week(large, 0, values(rng, 20_000, age=61.5)), large, weeks=1)
    age = next(m for m in movement.of_all(large, found, POLICY) if m.shift.fact == "age_years")
    assert age.p < 1e-9
    assert age.shift.size < POLICY.psi_floor
    assert not age.moved


def test_what_is_no_longer_stated_is_a_movement_of_its_own(rng, watched):
    found = cut(week(watched, 0, values(rng, 120, unstated=0.3)), watched, weeks=1)
    assert list(moved(movement.of_all(watched, found, POLICY))) == [
        (ALL, "age_years", "not stated")
    ]


def test_a_site_is_held_against_its_own_past_and_not_against_the_others(rng, watched):
    rows = []
    for n in range(8):
        rows += week(
            watched, n, values(rng, 100, age=35.0), site="child"
        )  # always has been younger
        rows += week(watched, n, values(rng, 100, distance=1.5 * (n >= 6)), site="large")
    found = cut(sorted(rows, key=lambda row: row.at), watched, weeks=8)
    lasting = {
        (m.whom, m.shift.fact) for m in movement.of_parts(watched, found, (), POLICY) if m.lasting
    }
    assert lasting == {(("site", "large"), "distance")}


def test_parts_are_words_and_thirds_of_numbers(rng, watched):
    found = cut(week(watched, 0, values(rng, 300)), watched, weeks=1)[0]
    parts = {part: mask.sum() for part, mask in windows.parts(found, watched, ("sex", "age_years"))}
    assert [column for column, _ in parts] == ["age_years"] * 3 + ["sex"] * 2
    assert sum(parts.values()) == 600
    assert min(parts.values()) > 60


def test_too_few_answers_of_a_part_are_not_judged(rng, watched):
    rows = [row for n in range(9) for row in week(watched, n, values(rng, 40), site="small")]
    assert movement.of_parts(watched, cut(rows, watched, weeks=9), (), POLICY) == ()


def looked(p):
    """One look at twenty facts: `p` of the first, and nothing of the others."""
    shifts = [
        Shift(str(n), "input", "spread", 400, 100, 0.3, 0.4, "chi-squared", 1.0 if n else p)
        for n in range(20)
    ]
    return {(ALL, shift.fact, shift.kind): shift for shift in shifts}


@pytest.mark.parametrize(
    ("weeks", "shown", "lasts"),
    [
        ((1e-6, 0.003), 2, True),  # a suspicion, and then of the one suspect: 0.003 is below alpha
        ((0.003, 1e-6), 2, True),
        ((1e-6, 0.5), 1, False),  # it has gone
        ((0.003, 0.003, 0.003), 0, False),  # 20 × 0.003 = 0.06: nothing is suspected
    ],
)
def test_a_suspicion_is_confirmed_by_what_would_not_raise_one(weeks, shown, lasts):
    first = movement.over_windows([looked(p) for p in weeks], POLICY)[0]
    assert (first.shown, first.lasting) == (shown, lasts)
