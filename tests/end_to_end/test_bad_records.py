"""What hospitals' tables really hold: each fault is refused, flagged or handled as
docs/bring-your-data.md says.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import quick_project
import yaml

from medpipe import stages
from medpipe.errors import SourceError
from medpipe.paths import Layout
from medpipe.synthetic import encounters, stays
from medpipe.tables.raw import Raw
from medpipe.workloads import get

pytestmark = pytest.mark.slow

HERE = "S1"
"""The stay that the faults are put into."""
Tables = tuple[pd.DataFrame, pd.DataFrame]


class Source:
    """A project that reads tables of the user's own."""

    def __init__(self, folder: Path, workload: str, options: dict, **tables: pd.DataFrame) -> None:
        self.root, self.workload = folder / "Station 3", workload
        (self.root / "Quelle").mkdir(parents=True)
        for name, table in tables.items():
            table.to_csv(self.root / "Quelle" / f"{name}.csv", index=False)
        section = {
            "source": {"name": "table", "path": f"Quelle/{next(iter(tables))}.csv"},
            "validate": {"min_examples": 10, "min_groups": 10, "min_per_class": 2},
        }
        section["source"]["options"] = options
        text = yaml.safe_dump({"workloads": {workload: section}})
        (self.root / "params.yaml").write_text(text, encoding="utf-8")
        self.layout = Layout(self.root, workload)

    def run(self, *names: str) -> dict:
        """The outcome of the last of the stages `names`."""
        return [stages.run(name, self.workload, root=self.root) for name in names][-1]

    def flagged(self) -> set[str]:
        """Rules that raw breaks; the run goes on."""
        self.run("ingest", "validate")
        return set(json.loads((self.layout.validation / "failed.json").read_text("utf-8")))

    def stored(self, column: str) -> list:
        """What raw holds of `column`, example by example."""
        raw = Raw(self.layout.raw, get(self.workload).columns)
        return [row[column] for rows in raw.batches([column], 100) for row in rows]


def unit(folder: Path, tables: Tables) -> Source:
    """An intensive-care unit: a table of measurements and one of stays."""
    measurements, described = tables
    return Source(
        folder, "icu_mortality", stays.OPTIONS, measurements=measurements, stays=described
    )


def ward(folder: Path, table: pd.DataFrame) -> Source:
    """A ward: a table of encounters."""
    return Source(folder, "readmission", encounters.OPTIONS, encounters=table)


@pytest.fixture(scope="module", autouse=True)
def key():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDPIPE_PSEUDONYM_KEY", quick_project.KEY)
        yield


@pytest.fixture
def tables(tmp_path) -> Tables:
    """Measurements and stays of invented patients without a fault; the first stay is `HERE`."""
    stays.write(tmp_path, patients=60, seed=4)
    measurements, described = (
        pd.read_csv(tmp_path / name, dtype=str, keep_default_na=False)
        for name in (stays.MEASUREMENTS, stays.STAYS)
    )
    described = described[described["died_in_hospital"] != ""]
    names = {stay: f"S{number}" for number, stay in enumerate(described["stay"], start=1)}
    for table in (measurements, described):
        table["stay"] = table["stay"].map(names)
    return measurements.dropna(subset="stay"), described


def put(tables: Tables, column: str, text: str, *, variable: str = "") -> Tables:
    """`tables` with `text` in `column` of `HERE`, or of its first measurement of `variable`."""
    measurements, described = (table.copy() for table in tables)
    table = measurements if column in measurements else described
    rows = table.index[table["stay"] == HERE]
    if variable:
        rows = rows[table.loc[rows, "variable"] == variable]
    table.loc[rows[0], column] = text
    return measurements, described


FLAGGED: dict[str, tuple[Callable[[Tables], Tables], set[str]]] = {
    "a height in metres": (
        lambda tables: put(tables, "height_cm", "1.68"),
        {"height_cm.range", "height_and_weight_fit"},
    ),
    "a creatinine in µmol/L": (
        lambda tables: put(tables, "value", "900", variable="creatinine_mg_dl"),
        {"creatinine_mg_dl.range"},
    ),
    "infinity": (
        lambda tables: put(tables, "value", "inf", variable="sodium_mmol_l"),
        {"sodium_mmol_l.range"},
    ),
    "measured before admission": (
        lambda tables: put(tables, "charted_at", "1999-01-01 00:00", variable="heart_rate_bpm"),
        {"heart_rate_bpm.range"},
    ),
}


@pytest.mark.parametrize("fault", FLAGGED)
def test_what_cannot_be_is_kept_flagged_and_taken_for_not_known(fault, tables, tmp_path):
    put_in, rules = FLAGGED[fault]
    before = unit(tmp_path / "before", tables).flagged()
    assert unit(tmp_path / "after", put_in(tables)).flagged() - before == rules


STOPPED: dict[str, tuple[Callable[[Tables], Tables], str]] = {
    "text in a number": (
        lambda tables: put(tables, "value", "Doe, Jane", variable="sodium_mmol_l"),
        "sodium_mmol_l cannot be read; allowed: numbers from",
    ),
    "text in a description": (
        lambda tables: put(tables, "weight_kg", "Doe, Jane"),
        "row 2: weight_kg cannot be read; allowed: numbers from 20 to 400 kg",
    ),
    "a word that nobody declared": (
        lambda tables: put(tables, "unit", "Doe, Jane"),
        "row 2: unit_type cannot be read; allowed: coronary",
    ),
    "a variable that nobody knows": (
        lambda tables: put(tables, "variable", "Doe, Jane", variable="sodium_mmol_l"),
        "is none that the workload asks for",
    ),
    "a time that is none": (
        lambda tables: put(tables, "charted_at", "Doe, Jane", variable="sodium_mmol_l"),
        "charted_at is no time",
    ),
    "a stay that stands twice": (
        lambda tables: (tables[0], pd.concat([tables[1], tables[1].head(1)])),
        r"stay is that of stays\.csv row 2, too; keep one",
    ),
    "a stay in two places": (
        lambda tables: (pd.concat([tables[0], tables[0].head(1)]), tables[1]),
        r"its stay began at measurements\.csv row 2",
    ),
}


@pytest.mark.parametrize("fault", STOPPED)
def test_what_cannot_be_read_stops_the_run_with_its_row_and_not_its_text(fault, tables, tmp_path):
    put_in, message = STOPPED[fault]
    source = unit(tmp_path, put_in(tables))
    with pytest.raises(SourceError, match=message) as stopped:
        source.run("ingest")
    assert "Doe" not in str(stopped.value)
    assert not source.layout.raw.exists()


@pytest.mark.parametrize(
    ("column", "text"), [("charted_at", "2999-01-01 00:00"), ("value", "NaN"), ("value", "")]
)
def test_the_future_and_what_is_no_number_are_left_out(column, text, tables, tmp_path):
    changed = put(tables, column, text, variable="creatinine_mg_dl")
    sources = [unit(tmp_path / "whole", tables), unit(tmp_path / "changed", changed)]
    assert sources[0].flagged() == sources[1].flagged()
    pairs = [source.stored("creatinine_mg_dl") for source in sources]
    whole, less = (sum(len(found or ()) for found in each) for each in pairs)
    assert whole - less == 1


def test_dates_that_run_backwards_within_a_stay_are_the_same_stay(tables, tmp_path):
    measurements, described = tables
    turned = measurements.iloc[::-1].sort_values("stay", kind="stable")
    sources = [unit(tmp_path / "on", tables), unit(tmp_path / "back", (turned, described))]
    assert sources[0].flagged() == sources[1].flagged()
    hashes = [sorted(map(str, source.stored("record_hash"))) for source in sources]
    assert hashes[0] == hashes[1]


def test_an_empty_stay_is_counted_and_on_no_side(tables, tmp_path):
    measurements, described = tables
    source = unit(tmp_path, (measurements[measurements["stay"] != HERE], described))
    assert "something_was_measured" in source.flagged()
    left_out = source.run("preprocess")["left_out"]
    assert left_out["nothing was measured in the first 48 hours"] == 1


# -- encounters ----------------------------------------------------------------------------------
@pytest.fixture
def table(tmp_path) -> pd.DataFrame:
    """Encounters of invented patients, as a ward keeps them."""
    get("readmission").synthesise(tmp_path, patients=60, seed=4)
    return pd.read_csv(tmp_path / encounters.FILE, dtype=str, keep_default_na=False)


def test_a_stay_of_999_days_is_flagged_and_one_of_no_number_of_days_not_known(table, tmp_path):
    before = ward(tmp_path / "before", table).flagged()
    table.loc[[0, 1], "stay_days"] = ["999", "NaN"]
    source = ward(tmp_path / "after", table)
    assert source.flagged() - before == {"stay_days.range"}
    assert source.stored("stay_days")[:2] == [999, None]


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [
        ("stay_days", "Doe, Jane", r"row 2: stay_days cannot be read; allowed: whole numbers"),
        ("stay_days", "inf", r"row 2: stay_days cannot be read; allowed: whole numbers"),
        ("a1c", "Doe, Jane", r"row 2: a1c cannot be read; allowed: "),
        ("discharged_on", "31 May", r"row 2: discharged_on is no day"),
        ("encounter_no", "", r"row 2: encounter_no is empty; it must name the row for ever"),
    ],
)
def test_a_cell_that_is_none_stops_the_run(column, text, message, table, tmp_path):
    table.loc[0, column] = text
    with pytest.raises(SourceError, match=message) as stopped:
        ward(tmp_path, table).run("ingest")
    assert "Doe" not in str(stopped.value)


def test_an_encounter_that_stands_twice_stops_the_run_and_both_are_named(table, tmp_path):
    again = pd.concat([table, table.iloc[[2]]])
    with pytest.raises(SourceError, match=rf"items 3 and {len(table) + 1} of the source have the"):
        ward(tmp_path, again).run("ingest")
