"""Intensive-care stays of invented patients, as a hospital's tables hand them over.

``<folder>/stays.csv``, a row per stay, with name, number, date of birth and address of whoever it
is about; ``<folder>/measurements.csv``, a row per measurement. On purpose a few stays have no
label, no measurement, a height in metres or a temperature in Fahrenheit: ingest must quarantine the
first, preprocess must leave out the second, and validate must flag the others.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from medpipe.synthetic.people import Person, invent

MEASUREMENTS = "measurements.csv"
STAYS = "stays.csv"
OPTIONS = {
    "stays": STAYS,
    "time": "charted_at",
    "admitted": "admitted_at",
    "patient": "mrn",
    "site": "hospital",
    "date": "admitted_at",
    "columns": {
        "age_years": "age",
        "sex": "sex",
        "height_cm": "height_cm",
        "weight_kg": "weight_kg",
        "unit_type": "unit",
    },
}
"""How `sources.long_table` reads them."""
_HOURS = 48
_HOSPITALS = ("Northwind General", "Fernhill Infirmary")
_UNITS = ("coronary", "cardiac surgery", "medical", "surgical")
_UNIT_RISK = {"coronary": 0.0, "cardiac surgery": -0.8, "medical": 0.4, "surgical": 0.1}
_AGAIN_SHARE = 0.12  # patients with a second stay
_FAULT_SHARE = 0.008


@dataclass(frozen=True)
class _Habit:
    """How a series behaves: in the healthy, per unit of severity, its noise, and how often."""

    middle: float
    per_severity: float
    noise: float
    a_day: float
    digits: int = 1


_HABITS = {
    "heart_rate_bpm": _Habit(82, 9, 8, 12, 0),
    "systolic_mmhg": _Habit(124, -11, 10, 8, 0),
    "diastolic_mmhg": _Habit(66, -5, 7, 8, 0),
    "respiratory_rate_bpm": _Habit(17, 2.5, 3, 6, 0),
    "temperature_c": _Habit(37.0, 0.15, 0.4, 4),
    "gcs_points": _Habit(14, -1.9, 1.0, 4, 0),
    "urine_ml": _Habit(95, -22, 30, 8, 0),
    "creatinine_mg_dl": _Habit(1.0, 0.45, 0.15, 1.6, 2),
    "urea_nitrogen_mg_dl": _Habit(17, 9, 4, 1.6, 0),
    "lactate_mmol_l": _Habit(1.4, 0.9, 0.3, 1.2),
    "sodium_mmol_l": _Habit(139, 0.6, 3, 1.6, 0),
    "potassium_mmol_l": _Habit(4.1, 0.15, 0.4, 1.8),
    "bicarbonate_mmol_l": _Habit(25, -1.6, 2, 1.6, 0),
    "glucose_mg_dl": _Habit(125, 12, 25, 2, 0),
    "haematocrit_percent": _Habit(33, -0.8, 3, 1.8),
    "platelets_per_nl": _Habit(220, -18, 50, 1.4, 0),
    "leucocytes_per_nl": _Habit(10, 1.6, 2.5, 1.4),
    "ph": _Habit(7.39, -0.03, 0.03, 2, 2),
}
_LOWEST = {
    "gcs_points": 3.0,
    "platelets_per_nl": 5.0,
    "urine_ml": 0.0,
    "creatinine_mg_dl": 0.3,
    "lactate_mmol_l": 0.4,
}
_HIGHEST = {"gcs_points": 15.0}
_STAY_COLUMNS = (
    *("stay", "mrn", "name", "born", "address", "telephone", "physician", "hospital"),
    *("admitted_at", "age", "sex", "height_cm", "weight_kg", "unit", "died_in_hospital"),
)
_MEASUREMENT_COLUMNS = ("stay", "charted_at", "variable", "value")


def write(folder: Path, *, patients: int, seed: int) -> None:
    """`patients` invented patients with one stay or two each; one seed, the same bytes."""
    with (
        (folder / STAYS).open("w", newline="", encoding="utf-8") as stays_file,
        (folder / MEASUREMENTS).open("w", newline="", encoding="utf-8") as measurements_file,
    ):
        stays = csv.DictWriter(stays_file, _STAY_COLUMNS, lineterminator="\n")
        measurements = csv.writer(measurements_file, lineterminator="\n")
        stays.writeheader()
        measurements.writerow(_MEASUREMENT_COLUMNS)
        for number in range(patients):
            # A stream for each patient: the first hundred are the same whatever `patients` is.
            for stay, found in _stays(np.random.default_rng([seed, number]), number):
                stays.writerow(stay)
                measurements.writerows(found)


def _stays(
    rng: np.random.Generator, number: int
) -> Iterator[tuple[dict[str, Any], list[tuple[Any, ...]]]]:
    """Each stay of one patient, and its measurements."""
    person = invent(rng, number=number)
    day = person.first_study
    for stay in range(1 + (rng.random() < _AGAIN_SHARE)):
        start = datetime.combine(day, time(int(rng.integers(24)), int(rng.integers(60))))
        severity = float(rng.gamma(2.0, 0.8))
        name = f"S{3_000_000 + 17 * number}-{stay + 1}"
        yield _described(rng, person, name, start, severity), _measured(rng, name, start, severity)
        day += timedelta(days=int(rng.integers(30, 500)))


def _described(
    rng: np.random.Generator, person: Person, stay: str, start: datetime, severity: float
) -> dict[str, Any]:
    """The row of one stay, now and then with a fault."""
    unit = str(rng.choice(_UNITS))
    age = person.age_years(start.date())
    height = round(float(rng.normal(163 if person.sex == "F" else 176, 7)), 1)
    logit = -6.2 + 2.6 * severity + 0.035 * (age - 60) + _UNIT_RISK[unit]
    died: Any = int(rng.random() < 1 / (1 + np.exp(-logit)))
    return {
        "stay": stay,
        "mrn": person.patient_id,
        "name": f"{person.given} {person.family}",
        "born": person.born.isoformat(),
        "address": person.address,
        "telephone": person.telephone,
        "physician": person.physician.split("^")[0],
        "hospital": str(rng.choice(_HOSPITALS)),
        "admitted_at": start.isoformat(sep=" "),
        "age": age,
        "sex": person.sex,
        "height_cm": height / 100 if rng.random() < _FAULT_SHARE else height,
        "weight_kg": round(float(rng.normal(27, 5)) * (height / 100) ** 2, 1),
        "unit": unit,
        "died_in_hospital": "" if rng.random() < _FAULT_SHARE else died,
    }


def _measured(
    rng: np.random.Generator, stay: str, start: datetime, severity: float
) -> list[tuple[Any, ...]]:
    """Rows of measurements of one stay, by time; none at all now and then."""
    if rng.random() < _FAULT_SHARE:
        return []
    fahrenheit = rng.random() < _FAULT_SHARE
    found = []
    for name, habit in _HABITS.items():
        hours = np.sort(rng.uniform(0, _HOURS, rng.poisson(habit.a_day * _HOURS / 24)))
        # Whoever is very ill goes on getting worse.
        trend = 1 + 0.1 * severity * (hours / _HOURS - 0.5)
        values = habit.middle + habit.per_severity * severity * trend
        values = np.clip(
            values + rng.normal(0, habit.noise, len(hours)),
            _LOWEST.get(name, 0.5),
            _HIGHEST.get(name, np.inf),
        )
        if name == "temperature_c" and fahrenheit:
            values = values * 1.8 + 32
        for hour, value in zip(hours, values, strict=True):
            moment = start + timedelta(minutes=int(hour * 60))
            text = f"{value:.{habit.digits}f}"
            found.append((stay, moment.isoformat(sep=" ", timespec="minutes"), name, text))
    return sorted(found, key=lambda row: row[1])
