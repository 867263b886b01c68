"""Source `table` of series: stays and measurements of a hospital, and errors that name the row."""

from datetime import date

import pandas as pd
import pytest

from medpipe.columns import Column
from medpipe.errors import ParamsError, SourceError
from medpipe.sources.long_table import LongTable

LABEL = Column("died", "int", "label", low=0, high=1)
COLUMNS = (
    Column("age_years", "float", "age", "years", 0, 120),
    Column("sex", "category", "sex", values=("F", "M")),
    LABEL,
    Column("creatinine_mg_dl", "series", "creatinine", "mg/dL", 0.1, 30, span_h=48, flagged=True),
    Column("sodium_mmol_l", "series", "sodium", "mmol/L", 90, 200, span_h=48, flagged=True),
)
STAYS = "stay,mrn,ward,died,age,gender,intime\n"
FIRST = "s1,p1,East,0,61,Female,2024-05-31 22:00\n"
SECOND = "s2,p1,West,1,62,Male,2024-07-01 06:30\n"
HEADER = "stay,time,variable,value\n"
OPTIONS = {
    "patient": "mrn",
    "site": "ward",
    "date": "intime",
    "columns": {"age_years": "age", "sex": "gender"},
    "values": {"sex": {"Female": "F", "Male": "M"}},
    "variables": {"Krea": "creatinine_mg_dl"},
}


def source(folder, measurements, described=FIRST + SECOND, **options):
    (folder / "stays.csv").write_text(STAYS + described, encoding="utf-8")
    path = folder / "measurements.csv"
    path.write_text(HEADER + measurements, encoding="utf-8")
    return LongTable(path, {**OPTIONS, **options}, columns=COLUMNS, label=LABEL)


def test_a_stay_is_its_row_and_its_measurements(tmp_path):
    first, second = source(tmp_path, "s1,0.5,Krea,1.1\ns1,30,sodium_mmol_l,139\n").items()
    assert first.payload == {
        "age_years": 61.0,
        "sex": "F",
        "creatinine_mg_dl": [(0.5, 1.1)],
        "sodium_mmol_l": [(30.0, 139.0)],
    }
    assert (first.key, first.patient_id, first.site, first.label) == ("s1", "p1", "East", 0)
    assert first.acquired == date(2024, 5, 31)
    assert second.payload == {"age_years": 62.0, "sex": "M"}


def test_times_of_day_count_from_admission_and_may_lie_before_it(tmp_path):
    text = "s1,2024-06-01 04:30,Krea,1.1\ns1,2024-05-31T21:00,Krea,0.9\n"
    first, _ = source(tmp_path, text, admitted="intime").items()
    assert first.payload["creatinine_mg_dl"] == [(6.5, 1.1), (-1.0, 0.9)]


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ("s1,48,Krea,1.1", [(48.0, 1.1)]),
        ("s1,48.1,Krea,1.1", None),  # after the hours that are asked about
        ("s1,10000,Krea,1.1", None),
        ("s1,-3,Krea,1.1", [(-3.0, 1.1)]),  # validate flags it
        ("s1,1,Krea,900", [(1.0, 900.0)]),  # so it does here
        ("s1,1,Krea,inf", [(1.0, float("inf"))]),
        ("s1,1,Krea,NaN", None),
        ("s1,1,Krea,", None),
    ],
)
def test_what_becomes_of_a_measurement(tmp_path, row, kept):
    first = next(source(tmp_path, row + "\n").items())
    assert first.payload.get("creatinine_mg_dl") == kept


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("s1,1,Krea,high", "row 3: creatinine_mg_dl cannot be read; allowed: numbers from 0.1"),
        ("s1,one,Krea,1", "row 3: time cannot be read"),
        ("s1,,Krea,1", "row 3: time is empty; allowed: hours since admission"),
        ("s1,1,Kreatinine,1", "row 3: variable is none that the workload asks for"),
        ("s9,1,Krea,1", "row 3: stays.csv has no such stay"),
        (",1,Krea,1", "row 3: stay is empty"),
    ],
)
def test_a_bad_cell_stops_the_run_and_is_not_repeated(tmp_path, row, message):
    with pytest.raises(SourceError, match=message):
        list(source(tmp_path, "s1,0,Krea,1\n" + row + "\n").items())


def test_other_variables_may_be_left_out(tmp_path):
    first = next(source(tmp_path, "s1,1,Shoe size,43\n", others="leave_out").items())
    assert "Shoe size" not in first.payload


def test_a_stay_that_stands_twice_is_named_by_its_rows(tmp_path):
    with pytest.raises(SourceError, match=r"row 4: stay is that of stays.csv row 2, too; keep one"):
        list(source(tmp_path, "", described=FIRST + SECOND + FIRST).items())


def test_measurements_of_a_stay_must_stand_together(tmp_path):
    text = "s1,1,Krea,1\ns2,1,Krea,1\ns1,2,Krea,1\n"
    with pytest.raises(SourceError, match=r"row 4: its stay began at measurements.csv row 2"):
        list(source(tmp_path, text).items())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s1,yesterday,Krea,1\n", "row 2: time is no time; allowed: 2024-05-31 14:05"),
        ("s1,2024-06-01 04:30+02:00,Krea,1\n", "one has a time zone and the other has not"),
    ],
)
def test_times_that_are_none_are_refused(tmp_path, text, message):
    with pytest.raises(SourceError, match=message):
        list(source(tmp_path, text, admitted="intime").items())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"variables": {"Krea": "kreatinin"}}, SourceError, "kreatinin, which is no series"),
        ({"patent": "mrn"}, ParamsError, "patent is not an option; did you mean patient"),
        ({"value": "result"}, SourceError, "measurements.csv has no column result"),
        ({"stays": "wards.csv"}, SourceError, "wards.csv is not a table"),
    ],
)
def test_wrong_options_say_what_is_there(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        list(source(tmp_path, "", **options).items())


def test_parquet_with_typed_times_is_read_alike(tmp_path):
    pd.DataFrame(
        {"stay": ["s1"], "mrn": ["p1"], "ward": ["East"], "died": [0], "age": [61.0],
         "gender": ["Female"], "intime": pd.to_datetime(["2024-05-31 22:00"])}
    ).to_parquet(tmp_path / "stays.parquet")  # fmt: skip
    frame = pd.DataFrame(
        {"stay": ["s1"], "time": pd.to_datetime(["2024-06-01 04:30"]), "variable": ["Krea"],
         "value": [1.1]}
    )  # fmt: skip
    frame.to_parquet(tmp_path / "m.parquet")
    options = {**OPTIONS, "stays": "stays.parquet", "admitted": "intime"}
    (only,) = LongTable(tmp_path / "m.parquet", options, columns=COLUMNS, label=LABEL).items()
    assert only.payload["creatinine_mg_dl"] == [(6.5, 1.1)]


def test_fingerprint_changes_with_a_measurement_and_with_nothing_else(tmp_path):
    said = [
        next(source(tmp_path, f"s1,1,Krea,{value}\n").items()).fingerprint
        for value in ("1.1", "1.1", "1.2")
    ]
    assert said[0] == said[1] != said[2]


def test_further_labels_are_covariates_under_the_user_s_own_names(tmp_path):
    (tmp_path / "stays.csv").write_text("stay,mrn,died,died_late\ns1,p1,no,yes\ns2,p2,no,\n")
    (tmp_path / "m.csv").write_text(HEADER)
    late = Column("late", "int", "another label", low=0, high=1)
    words = {"no": "0", "yes": "1"}
    options = {"columns": {"late": "died_late"}, "values": {"died": words, "late": words}}
    source = LongTable(
        tmp_path / "m.csv", {"patient": "mrn", **options}, columns=(), label=LABEL, further=(late,)
    )
    first, second = source.items()
    assert (first.label, first.covariates, second.covariates) == (0, {"late": 1}, {"late": None})
    assert first.payload == {}
    assert first.fingerprint != second.fingerprint


def test_a_further_label_stands_under_its_own_name_unless_options_name_it(tmp_path):
    (tmp_path / "stays.csv").write_text("stay,patient,died,late\ns1,p1,0,1\n")
    (tmp_path / "m.csv").write_text(HEADER)
    late = Column("late", "int", "another label", low=0, high=1)
    (only,) = LongTable(tmp_path / "m.csv", {}, columns=(), label=LABEL, further=(late,)).items()
    assert only.covariates == {"late": 1}
    absent = Column("later", "int", "not in the table", low=0, high=1)
    source = LongTable(tmp_path / "m.csv", {}, columns=(), label=LABEL, further=(absent,))
    with pytest.raises(SourceError, match=r"stays\.csv has no column later"):
        list(source.items())
