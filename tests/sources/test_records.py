"""Layout `table` of records: the user's columns and words, and errors that repeat no free text."""

import logging
import zipfile
from datetime import date

import pandas as pd
import pytest

from medpipe.columns import Column
from medpipe.errors import SourceError
from medpipe.sources.records import Records

LABEL = Column("ill", "int", "label", low=0, high=1)
COLUMNS = (
    Column("sex", "category", "sex", values=("F", "M")),
    Column("stay_days", "int", "length", "d", low=0, high=365, flagged=True),
    Column("diagnosis", "str", "code"),
    Column("insulin", "bool", "given"),
)
OPTIONS = {
    "example": "no",
    "patient": "mrn",
    "date": "left",
    "columns": {"sex": "gender"},
    "values": {"sex": {"Female": "F", "Male": "M", "Unknown": ""}, "ill": {"<30": "1", "NO": "0"}},
    "missing": ["?"],
}
HEADER = "no,mrn,left,ill,gender,stay_days,diagnosis,insulin\n"


def records(folder, text, **options):
    path = folder / "list.csv"
    path.write_text(text, encoding="utf-8")
    return Records(path, {**OPTIONS, **options}, columns=COLUMNS, label=LABEL)


def test_words_and_columns_of_the_user_become_those_of_the_workload(tmp_path):
    text = HEADER + "E1,0042,2024-05-31,<30,Female,4,250.6,yes\nE2,0042,,NO,Unknown,?,?,\n"
    first, second = records(tmp_path, text).items()
    assert first.payload == {"sex": "F", "stay_days": 4, "diagnosis": "250.6", "insulin": True}
    assert (first.key, first.patient_id, first.label) == ("E1", "0042", 1)
    assert first.acquired == date(2024, 5, 31)
    assert set(second.payload.values()) == {None}
    assert (second.label, second.acquired) == (0, None)


def test_a_cell_that_was_seen_before_reads_as_the_first_time(tmp_path):
    lines = "".join(f"E{n},1,,NO,Male,3.0,38,no\n" for n in range(3))
    items = list(records(tmp_path, HEADER + lines).items())
    assert [item.payload for item in items] == [items[0].payload] * 3
    assert items[0].payload == {"sex": "M", "stay_days": 3, "diagnosis": "38", "insulin": False}


def test_the_fingerprint_changes_with_any_cell(tmp_path):
    texts = ["E1,7,,NO,Male,3,38,no", "E1,8,,NO,Male,3,38,no", "E1,7,,<30,Male,3,38,no",
             "E1,7,,NO,Male,4,38,no", "E1,7,2024-01-01,NO,Male,3,38,no"]  # fmt: skip
    prints = {next(records(tmp_path, HEADER + text).items()).fingerprint for text in texts}
    assert len(prints) == len(texts)


def test_parquet_and_a_zip_archive_read_as_csv_does(tmp_path):
    text = HEADER + "E1,42,2024-05-31,1,Female,4,250.6,1\n"
    expected = list(records(tmp_path, text).items())
    frame = pd.read_csv(tmp_path / "list.csv", dtype={"diagnosis": str})
    frame.to_parquet(tmp_path / "list.parquet")
    with zipfile.ZipFile(tmp_path / "list.zip", "w") as archive:
        archive.writestr("__MACOSX/folder/._list.csv", b"\xa2")
        archive.write(tmp_path / "list.csv", "folder/list.csv")
    for name, member in (("list.parquet", None), ("list.zip", "list.csv")):
        source = Records(tmp_path / name, OPTIONS, columns=COLUMNS, label=LABEL, member=member)
        assert list(source.items()) == expected


def test_a_column_that_is_not_there_is_not_known_and_the_log_says_so(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        (item,) = records(tmp_path, "no,mrn,left,ill,gender\nE1,1,,NO,Male\n").items()
    assert item.payload == {"sex": "M", "stay_days": None, "diagnosis": None, "insulin": None}
    assert "no column for stay_days, diagnosis, insulin" in caplog.text


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("E2,1,,maybe,Male,3,38,no", r"row 3: ill is 'maybe'; allowed: 0 or 1"),
        ("E2,1,,NO,Planted,3,38,no", r"row 3: sex cannot be read; allowed: F, M"),
        ("E2,1,,NO,Male,Planted,38,no", r"row 3: stay_days cannot be read; allowed: whole numbers"),
        ("E2,1,,NO,Male,3.5,38,no", r"row 3: stay_days cannot be read"),
        ("E2,1,31/5/24,NO,Male,3,38,no", r"row 3: left is no day"),
        (",1,,NO,Male,3,38,no", r"row 3: no is empty; it must name the row for ever"),
    ],
)
def test_a_bad_cell_is_named_by_row_column_and_remedy_and_not_repeated(tmp_path, row, message):
    source = records(tmp_path, HEADER + "E1,1,,NO,Male,3,38,no\n" + row + "\n")
    with pytest.raises(SourceError, match=message) as caught:
        list(source.items())
    assert "Planted" not in str(caught.value)


def test_a_number_out_of_range_is_left_to_validate(tmp_path):
    (item,) = records(tmp_path, HEADER + "E1,1,,NO,Male,999,38,no\n").items()
    assert item.payload["stay_days"] == 999


def test_a_column_without_which_nothing_can_be_used_is_asked_for(tmp_path):
    needed = Column("ward", "str", "ward", nullable=False)
    (tmp_path / "list.csv").write_text(HEADER)
    source = Records(tmp_path / "list.csv", OPTIONS, columns=(*COLUMNS, needed), label=LABEL)
    with pytest.raises(SourceError, match=r"no column ward.*source\.options\.columns"):
        list(source.items())


def test_an_archive_without_the_file_says_so(tmp_path):
    with zipfile.ZipFile(tmp_path / "list.zip", "w") as archive:
        archive.writestr("other.csv", "a,b")
    source = Records(
        tmp_path / "list.zip", OPTIONS, columns=COLUMNS, label=LABEL, member="list.csv"
    )
    with pytest.raises(SourceError, match=r"holds no list\.csv"):
        list(source.items())


def test_further_labels_are_covariates_and_no_part_of_the_record(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("no,mrn,left,ill,gender,died\nE1,1,,NO,Male,1\nE2,1,,NO,Male,\n")
    died = Column("died", "int", "another label", low=0, high=1)
    source = Records(path, OPTIONS, columns=COLUMNS, label=LABEL, further=(died,))
    first, second = source.items()
    assert (first.covariates, second.covariates) == ({"died": 1}, {"died": None})
    assert "died" not in first.payload
    assert first.fingerprint != second.fingerprint
