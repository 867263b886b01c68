"""Source `physionet2012`: files of the challenge as they come, and broken ones."""

import pytest

from medpipe.errors import SourceError, UnreadableError
from medpipe.sources.physionet2012 import PhysioNet2012, parsed

STAY = """Time,Parameter,Value
00:00,RecordID,132539
00:00,Age,54
00:00,Gender,0
00:00,Height,-1
00:00,ICUType,4
00:00,Weight,80.5
00:07,HR,73
01:37,HR,60
00:00,Weight,81
47:59,Creatinine,1.2
"""
OUTCOMES = (
    "RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death\n1,6,1,5,-1,0\n2,9,3,7,2,1\n"
)


def test_descriptors_and_series_come_under_the_names_of_raw():
    stay = parsed(STAY.encode())
    assert (stay["age_years"], stay["sex"], stay["unit_type"]) == (54, "F", "surgical")
    assert (stay["height_cm"], stay["weight_kg"]) == (None, 80.5)
    assert stay["heart_rate_bpm"] == [(7 / 60, 73), (1 + 37 / 60, 60)]
    assert stay["daily_weight_kg"] == [(0, 81)]
    assert stay["creatinine_mg_dl"] == [(47 + 59 / 60, 1.2)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("00:07,HR,fast", "line 12: the value is not a number"),
        ("00:07,HR,nan", "line 12: the value is not a number"),
        ("soon,HR,73", "line 12: the time is not hh:mm"),
        ("00:61,HR,73", "line 12: the time is not hh:mm"),
        ("00:07,Shoe,43", "line 12: the challenge has no such parameter"),
        ("00:07", "line 12: the value is not a number"),
    ],
)
def test_a_line_that_is_none_is_named(text, message):
    with pytest.raises(UnreadableError, match=message):
        parsed((STAY + text + "\n").encode())


@pytest.mark.parametrize(
    ("data", "message"), [(b"a,b\n", "first line is not Time"), (b"\xff\xfe", "not text")]
)
def test_another_file_is_refused(data, message):
    with pytest.raises(UnreadableError, match=message):
        parsed(data)


def test_files_and_outcomes_are_put_together(tmp_path):
    (tmp_path / "set-a").mkdir()
    for name in ("1", "3"):
        (tmp_path / "set-a" / f"{name}.txt").write_text(STAY)
    (tmp_path / "Outcomes-a.txt").write_text(OUTCOMES)
    items = list(PhysioNet2012(tmp_path).items())
    assert [(i.key, i.label) for i in items] == [
        ("set-a/1", "0"),
        ("set-a/2", "1"),  # of which there is no file: ingest says so
        ("set-a/3", None),
    ]
    assert [i.payload.is_file() for i in items] == [True, False, True]


def test_a_stay_that_stands_twice_in_the_outcomes_is_refused(tmp_path):
    (tmp_path / "set-a").mkdir()
    (tmp_path / "Outcomes-a.txt").write_text(OUTCOMES + "1,6,1,5,-1,1\n")
    with pytest.raises(SourceError, match="row 4 repeats a RecordID; keep one"):
        list(PhysioNet2012(tmp_path).items())


def test_another_folder_is_not_taken_for_the_challenge(tmp_path):
    with pytest.raises(SourceError, match=r"looked for set-a/ and Outcomes-a.txt, found nothing"):
        list(PhysioNet2012(tmp_path).items())
