"""The suite finds the examples that break a rule, and nothing else of them leaks."""

import logging
import os
import tempfile
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medpipe.columns import COMMON, Column, Expectation
from medpipe.validation.expectations import Suite


class Question:
    label_columns = ("is_smoker",)
    columns = (
        *COMMON,
        Column("age_years", "float", "age", unit="years", low=0, high=120),
        Column("children", "int", "number of children", low=0, high=20),
        Column("sex", "category", "sex", values=("F", "M")),
        Column("is_smoker", "bool", "smokes"),
        Column("image", "bytes", "content", nullable=False),
    )

    def expectations(self):
        return (
            Expectation(
                "smokers_are_old",
                ("age_years", "is_smoker"),
                lambda f: (f["is_smoker"] != True) | (f["age_years"] > 10),  # noqa: E712
                "a smoker is older than 10 years",
            ),
        )


@pytest.fixture(scope="module")
def suite():
    return Suite(Question())


def part(folder, **changes):
    columns = {
        "example": ["e0", "e1", "e2", "e3"],
        "group": ["p0", "p1", "p2", "p3"],
        "site": ["here", None, "here", "there"],
        "time": pa.array([date(2020, 1, 1), None, None, None], pa.date32()),
        "published": ["train", None, "test", "val"],
        "age_years": [0.0, 120.0, None, 50.0],
        "children": pa.array([0, 20, None, 3], pa.int64()),
        "sex": ["F", "M", None, "F"],
        "is_smoker": [False, True, None, True],
        "image": [b"a", b"b", b"c", b"d"],
    } | changes
    path = folder / "part-00000.parquet"
    pq.write_table(pa.table({k: v for k, v in columns.items() if v is not None}), path)
    return path


def test_a_good_part_breaks_nothing(suite, tmp_path):
    assert suite.broken(part(tmp_path)) == {}


@pytest.mark.parametrize(
    ("column", "values", "rule", "examples"),
    [
        ("age_years", [-0.5, 121.0, None, 50.0], "age_years.range", ["e0", "e1"]),
        ("age_years", [1.0, 20.0, float("inf"), 50.0], "age_years.range", ["e2"]),
        ("age_years", [1.0, 8.0, 3.0, 50.0], "smokers_are_old", ["e1"]),
        ("children", [0, 21, None, 3], "children.range", ["e1"]),
        ("sex", ["F", "X", None, "f"], "sex.values", ["e1", "e3"]),
        ("published", ["dev", None, None, None], "published.values", ["e0"]),
        ("group", ["p0", None, "p2", "p3"], "group.known", ["e1"]),
        ("example", ["e0", "e1", "e1", "e3"], "example.unique", ["e1", "e1"]),
        ("age_years", ["1", "2", "3", "4"], "age_years.type", ["e0", "e1", "e2", "e3"]),
        ("image", [b"a", None, b"c", b"d"], "image.known", ["e1"]),
        ("image", None, "image.type", ["e0", "e1", "e2", "e3"]),
        ("sex", None, "sex.type", ["e0", "e1", "e2", "e3"]),
    ],
)
def test_the_examples_that_break_a_rule_are_named(suite, tmp_path, column, values, rule, examples):
    assert suite.broken(part(tmp_path, **{column: values})) == {rule: examples}


def test_what_leaves_the_suite_holds_no_value(suite, tmp_path):
    found = suite.broken(part(tmp_path, sex=["F", "secret", None, "F"]))
    assert "secret" not in repr(found)


def test_an_empty_part_breaks_nothing(suite, tmp_path):
    path = part(tmp_path)
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    assert suite.broken(path) == {}


def test_nothing_is_printed_or_logged_and_no_temporary_folder_is_made(
    tmp_path, capfd, caplog, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / "raw"
    folder.mkdir()
    with caplog.at_level(logging.INFO):
        Suite(Question()).broken(part(folder, sex=["F", "X", None, "F"]))
    assert os.listdir(tmp_path) == ["raw"]
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if "directory" in record.getMessage()]


class Course(Question):
    columns = (
        *COMMON,
        Column("pulse", "series", "pulse", "1/min", 20, 300, span_h=48, flagged=True),
    )
    label_columns = ("pulse",)

    def expectations(self):
        return ()


def test_a_measurement_or_an_hour_outside_its_limits_breaks_the_rule_of_its_example(tmp_path):
    pulse = [[[0, 80], [48, 300]], [[1, 80], [2, 301]], [[48.5, 80]], [[3, float("nan")]], None, []]
    names = [f"e{number}" for number in range(len(pulse))]
    table = pa.table(
        {
            "example": names,
            "group": names,
            **{name: pa.nulls(len(names), kind) for name, kind in OTHERS.items()},
            "pulse": pa.array(pulse, pa.list_(pa.list_(pa.float32(), 2))),
        }
    )
    pq.write_table(table, tmp_path / "part-00000.parquet")
    broken = Suite(Course()).broken(tmp_path / "part-00000.parquet")
    assert broken == {"pulse.range": ["e1", "e2", "e3"]}


OTHERS = {"site": pa.string(), "time": pa.date32(), "published": pa.string()}
