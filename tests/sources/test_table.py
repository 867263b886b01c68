"""Source `table`: the user's own columns, and errors that name row, column, value and remedy."""

from datetime import date

import pandas as pd
import pytest

from medpipe.columns import Column
from medpipe.errors import ParamsError, SourceError
from medpipe.sources.table import Table

LABEL = Column("pneumonia", "int", "label", low=0, high=1)
COLUMNS = (
    Column("age_years", "float", "age", low=0, high=120),
    Column("sex", "category", "sex", values=("F", "M")),
    LABEL,
)
OPTIONS = {
    "path": "file",
    "patient": "mrn",
    "label": "lungs",
    "site": "ward",
    "date": "taken",
    "columns": {"age_years": "age", "sex": "gender"},
}
HEADER = "file,mrn,lungs,ward,taken,age,gender\n"


def table(folder, text, name="list.csv", **options):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return Table(path, {**OPTIONS, **options}, label=LABEL, columns=COLUMNS)


def test_columns_are_read_under_the_users_names(tmp_path):
    text = HEADER + "a b/ä.dcm,0042,1,East,2024-05-31,61,F\n"
    (item,) = table(tmp_path / "söme where", text).items()
    assert (item.key, item.label, item.patient_id, item.site) == ("a b/ä.dcm", 1, "0042", "East")
    assert item.acquired == date(2024, 5, 31)
    assert item.covariates == {"age_years": 61.0, "sex": "F"}
    assert item.payload == tmp_path / "söme where" / "a b/ä.dcm"
    assert not item.public_site


def test_empty_cells_are_unknown(tmp_path):
    (item,) = table(tmp_path, HEADER + "a.dcm,,,,,,\n").items()
    assert (item.label, item.patient_id, item.site, item.acquired) == (None,) * 4
    assert item.covariates == {"age_years": None, "sex": None}


def test_images_are_taken_from_the_folder_that_options_name(tmp_path):
    source = table(tmp_path, HEADER + "a.dcm,1,1,,,,\n", images=str(tmp_path / "films"))
    assert next(source.items()).payload == tmp_path / "films" / "a.dcm"


@pytest.mark.parametrize("separator", [";", "\t"])
def test_separator_of_other_countries_is_understood(tmp_path, separator):
    text = "\ufeff" + (HEADER + "a.dcm,1,1,,20240531,,\n").replace(",", separator)
    assert next(table(tmp_path, text).items()).acquired == date(2024, 5, 31)


def test_parquet_reads_as_csv_does(tmp_path):
    frame = pd.DataFrame(
        {
            "file": ["a.dcm", "b.dcm"],
            "mrn": ["1", "2"],
            "lungs": [1.0, None],
            "ward": ["E", None],
            "taken": pd.to_datetime(["2024-05-31", None]),
            "age": [61, 62],
            "gender": ["F", None],
            "not asked for": [b"x", b"y"],
        }
    )
    frame.to_parquet(tmp_path / "list.parquet")
    first, second = Table(tmp_path / "list.parquet", OPTIONS, label=LABEL, columns=COLUMNS).items()
    assert (first.label, first.acquired, second.label) == (1, date(2024, 5, 31), None)
    assert (second.acquired, second.covariates["age_years"]) == (None, 62.0)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.dcm,1,2,,,,", r"row 3: pneumonia is '2'; allowed: 0 or 1"),
        ("a.dcm,1,yes,,,,", r"row 3: pneumonia is 'yes'; allowed: 0 or 1"),
        ("a.dcm,1,0.5,,,,", r"row 3: pneumonia is '0.5'"),
        ("a.dcm,1,1,,31/05/24,,", r"row 3: taken is no day; allowed: 2024-05-31"),
        ("a.dcm,1,1,,,old,", r"row 3: age_years cannot be read; allowed: numbers from 0 to 120"),
        ("a.dcm,1,1,,,,female", r"row 3: sex cannot be read; allowed: F, M"),
        (",1,1,,,,", r"row 3: file is empty"),
        ("first.dcm,1,1,,,,", r"row 3: file names the same file as list.csv row 2"),
        ("a.dcm,1", r"row 3 has fewer cells"),
    ],
)
def test_bad_cell_is_named_by_row_column_and_remedy(tmp_path, row, message):
    source = table(tmp_path, HEADER + "first.dcm,1,1,,,,\n" + row + "\n")
    with pytest.raises(SourceError, match=message):
        list(source.items())


def test_error_never_repeats_a_cell_that_may_be_a_name(tmp_path):
    source = table(
        tmp_path, HEADER + "a.dcm,1,1,,,Planted,\n", columns={"age_years": "age", "sex": "mrn"}
    )
    with pytest.raises(SourceError) as caught:
        list(source.items())
    assert "Planted" not in str(caught.value)


def test_missing_column_lists_those_that_are_there(tmp_path):
    with pytest.raises(SourceError, match=r"no column mrn; it has file, lungs"):
        list(table(tmp_path, "file,lungs,ward,taken,age,gender\n").items())


def test_unknown_option_and_wrong_type_are_both_named(tmp_path):
    with pytest.raises(ParamsError, match=r"site is 3.*did you mean columns") as caught:
        Table(tmp_path, {"site": 3, "colums": {}}, label=LABEL)
    assert "known: path, label, patient" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("list.csv", "file,mrn\nÄ,1".encode("latin-1"), "not UTF-8"),
        ("list.parquet", b"PAR1 and no more", "not a whole Parquet file"),
        ("list.xlsx", b"", r"a \.xlsx file; looked for \.csv"),
    ],
)
def test_file_of_another_kind_is_explained(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message):
        list(Table(tmp_path / name, OPTIONS, label=LABEL).items())


def test_table_that_is_not_there_says_so(tmp_path):
    with pytest.raises(SourceError, match="no such folder"):
        list(Table(tmp_path / "list.csv", OPTIONS, label=LABEL).items())
