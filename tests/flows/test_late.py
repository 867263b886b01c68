"""Of several missed runs only the last goes on."""

from datetime import UTC, datetime

from flows.late import later

TWO, THREE, FOUR = (datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (2, 3, 4))


def test_the_last_of_those_that_are_due_later_counts():
    assert later([TWO, FOUR, THREE, None], TWO) == FOUR


def test_the_last_itself_is_not_later_than_itself():
    assert later([TWO, THREE, FOUR], FOUR) is None
