"""Encounters of invented patients as a hospital's table hands them over: layout of source `sample`.

``<folder>/encounters.csv``, a row per encounter, with name, number, date of birth and address of
whoever it is about. On purpose some rows have no label, a few a diagnosis in ICD-10 (ingest must
quarantine them) or a stay of 999 days (validate must flag them).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from medpipe.columns import Column
from medpipe.synthetic.people import Person, invent

FILE = "encounters.csv"
OPTIONS = {
    "example": "encounter_no",
    "patient": "mrn",
    "site": "hospital",
    "date": "discharged_on",
}
"""How `sources.records` reads it."""
_PERSON = ("encounter_no", "mrn", "name", "born", "address", "telephone", "hospital", "physician")
_HOSPITALS = ("Northwind General", "Fernhill Infirmary")
_ENCOUNTERS = (1, 1, 1, 2, 2, 3, 5)
_DIAGNOSES = ("428.0", "250.02", "250.6", "414.01", "486", "584.9", "401.9", "V58.67", "599", "715")
_ICD10 = "E11.65"
_FAULT_SHARE = 0.005
_MISSING_SHARE = 0.03
_MEASURED_SHARE = 0.6
_RARELY = ("glucose", "a1c")
_DRUG_SHARE = 0.06


def write(
    folder: Path, columns: Sequence[Column], *, label: Column, patients: int, seed: int
) -> None:
    """`patients` invented patients with one to five encounters each; one seed, the same bytes.

    Parameters
    ----------
    columns : those that a record may state; their declared words and no others are written
    """
    names = [*_PERSON, "discharged_on", *(column.name for column in columns), label.name]
    with (folder / FILE).open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, names, lineterminator="\n")
        table.writeheader()
        for number in range(patients):
            # A stream for each patient: the first hundred are the same whatever `patients` is.
            rng = np.random.default_rng([seed, number])
            table.writerows(_encounters(rng, number, columns, label))


def _encounters(
    rng: np.random.Generator, number: int, columns: Sequence[Column], label: Column
) -> Iterator[dict[str, Any]]:
    person = invent(rng, number=number)
    frailty = float(rng.gamma(2.0, 0.5))
    day = person.first_study
    home = int(rng.integers(len(_HOSPITALS)))
    for encounter in range(_one(rng, _ENCOUNTERS)):
        record = _record(rng, person, frailty, columns)
        risk = 1 / (1 + np.exp(-_logit(record)))
        answer: Any = int(rng.random() < risk)
        said = _faulty(rng, record)
        yield {
            **_identity(person, f"E{1_000_000 + 17 * number}-{encounter + 1}"),
            "hospital": _HOSPITALS[home if rng.random() < 0.9 else 1 - home],
            "discharged_on": day.isoformat(),
            **said,
            label.name: "" if rng.random() < _FAULT_SHARE else answer,
        }
        day += timedelta(days=int(rng.integers(5, 400)))


def _identity(person: Person, encounter_no: str) -> dict[str, Any]:
    return {
        "encounter_no": encounter_no,
        "mrn": person.patient_id,
        "name": f"{person.given} {person.family}",
        "born": person.born.isoformat(),
        "address": person.address,
        "telephone": person.telephone,
        "physician": person.physician.split("^")[0],
    }


def _record(
    rng: np.random.Generator, person: Person, frailty: float, columns: Sequence[Column]
) -> dict[str, Any]:
    """What is entered of one encounter, in the words that `columns` declare."""
    decade = person.age_years(person.first_study) // 10 * 10
    counts = {
        "stay_days": 1 + int(rng.poisson(2 + 2 * frailty)),
        "laboratory_procedures": int(rng.poisson(40)),
        "procedures": int(rng.poisson(1.3)),
        "medications": 2 + int(rng.poisson(10 + 3 * frailty)),
        "prior_outpatient_visits": int(rng.poisson(0.4)),
        "prior_emergency_visits": int(rng.poisson(0.4 * frailty)),
        "prior_inpatient_stays": int(rng.poisson(0.9 * frailty)),
        "diagnoses": 3 + int(rng.integers(7)),
    }
    known = {"sex": person.sex, "age_band": f"[{decade}-{decade + 10})", **counts}
    record = {c.name: known[c.name] if c.name in known else _drawn(rng, c) for c in columns}
    said = {record[column.name] for column in columns if "Steady" in column.values}
    given, changed = said & {"Steady", "Up", "Down"}, said & {"Up", "Down"}
    return {**record, "diabetes_drug": int(bool(given)), "drug_change": int(bool(changed))}


def _drawn(rng: np.random.Generator, column: Column) -> Any:
    """A word of `column`, the common ones first; "" where it is not known."""
    if column.dtype == "str":
        return _one(rng, _DIAGNOSES)
    is_drug = "Steady" in column.values
    if column.dtype == "bool":  # follows from the drugs
        return ""
    if rng.random() < (1 - _MEASURED_SHARE if column.name in _RARELY else _MISSING_SHARE):
        return ""
    if is_drug and rng.random() > (0.5 if column.name == "insulin" else _DRUG_SHARE):
        return column.values[0]
    # Squared, so that the words that come first in a column are the common ones.
    return column.values[int(len(column.values) * rng.random() ** 2)]


def _logit(record: dict[str, Any]) -> float:
    """Of the chance of coming back, as nature has it here."""
    return float(
        -4.8
        + 1.4 * record["prior_inpatient_stays"]
        + 0.5 * record["prior_emergency_visits"]
        + 0.12 * record["stay_days"]
        + 1.4 * (record["discharge_disposition"] not in ("home", ""))
        + 0.9 * (record["diagnosis_1"] in ("428.0", "584.9"))
        + 0.8 * (record["insulin"] in ("Up", "Down"))
    )


def _faulty(rng: np.random.Generator, record: dict[str, Any]) -> dict[str, Any]:
    """`record` as it was entered, now and then wrongly."""
    if rng.random() < _FAULT_SHARE:
        return {**record, "diagnosis_2": _ICD10}
    if rng.random() < _FAULT_SHARE:
        return {**record, "stay_days": 999}
    return record


def _one(rng: np.random.Generator, among: Sequence[Any]) -> Any:
    return among[int(rng.integers(len(among)))]
