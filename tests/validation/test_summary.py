"""Counts for the page: over declared ranges, and never of so few that one person shows."""

import pandas as pd

from medpipe.columns import Column
from medpipe.validation import summary
from medpipe.validation.summary import Bar


def bars(column, values):
    class Question:
        columns = (column,)

    counted, frame = summary.Summary(Question()), pd.DataFrame({column.name: values})
    for half in (frame[:3], frame[3:]):  # the frames of raw come one after the other
        counted.add(half)
    [found] = counted.columns()
    return found


def test_values_are_counted_and_few_are_not_counted_out():
    column = Column("sex", "category", "sex", values=("F", "M", "X"))
    found = bars(column, ["F"] * 7 + ["M"] * 4 + [None])
    assert found.bars == (Bar("F", 7), Bar("M", None), Bar("X", 0))
    assert found.missing == 1 / 12


def test_numbers_fall_into_bins_of_the_declared_range():
    column = Column("age_years", "float", "age", unit="years", low=0, high=100)
    found = bars(column, [2.0] * 5 + [99.0] * 9)
    assert len(found.bars) == 20
    assert found.bars[0] == Bar("0–5 years", 5)
    assert found.bars[-1] == Bar("95–100 years", 9)


def test_small_whole_numbers_have_a_bin_each():
    found = bars(Column("ill", "int", "label", low=0, high=1), [0] * 6 + [1] * 8)
    assert [bar.count for bar in found.bars] == [6, 8]
    assert [bar.name for bar in found.bars] == ["0", "1"]


def test_booleans_are_no_and_yes():
    found = bars(Column("smokes", "bool", "smokes"), [True] * 6 + [False] * 5 + [None])
    assert found.bars == (Bar("no", 5), Bar("yes", 6))


def test_pseudonyms_dates_and_undeclared_numbers_are_not_shown():
    for column in (
        Column("group", "str", "g"),
        Column("day", "date", "d"),
        Column("x", "float", "x"),
    ):
        assert bars(column, pd.Series([None, None], dtype=object)).bars == ()


def test_content_is_not_summarised():
    class Question:
        columns = (Column("image", "bytes", "pixels"),)

    assert summary.Summary(Question()).columns() == []
