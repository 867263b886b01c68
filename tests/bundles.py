"""Invented patients as FHIR resources, written here by hand and not by the code under test."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

START = datetime.fromisoformat("2024-03-10T22:15:00+01:00")
"""The night in which the hour was not changed; the stay goes on over midnight."""
PATIENT, ENCOUNTER = "Patient/doe", "Encounter/stay"
UCUM = "http://unitsofmeasure.org"

MEASURED = {
    "heart_rate_bpm": ("8867-4", "/min"),
    "systolic_mmhg": ("76215-3", "mm[Hg]"),
    "respiratory_rate_bpm": ("9279-1", "/min"),
    "temperature_c": ("8310-5", "Cel"),
    "gcs_points": ("9269-2", "{score}"),
    "urine_ml": ("9187-6", "mL"),
    "creatinine_mg_dl": ("2160-0", "mg/dL"),
    "sodium_mmol_l": ("2951-2", "mmol/L"),
    "urea_nitrogen_mg_dl": ("3094-0", "mg/dL"),
    "platelets_per_nl": ("777-3", "10*3/uL"),
    "potassium_mmol_l": ("2823-3", "mmol/L"),
    "bicarbonate_mmol_l": ("1963-8", "mmol/L"),
    "glucose_mg_dl": ("2345-7", "mg/dL"),
    "haematocrit_percent": ("4544-3", "%"),
    "leucocytes_per_nl": ("6690-2", "10*3/uL"),
}
"""Of the example of icu_mortality: LOINC and UCUM."""


def patient(born: str = "1953-01-31", gender: str = "female", **more: Any) -> dict:
    return {
        "resourceType": "Patient",
        "id": "doe",
        "name": [{"family": "DOE", "given": ["JANE"]}],
        "birthDate": born,
        "gender": gender,
        **more,
    }


def encounter(**more: Any) -> dict:
    return {
        "resourceType": "Encounter",
        "id": "stay",
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": PATIENT},
        "period": {"start": START.isoformat()},
        **more,
    }


def observation(loinc: str, value: float, unit: str, *, hour: float = 1.0, **more: Any) -> dict:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": loinc}]},
        "subject": {"reference": PATIENT},
        "encounter": {"reference": ENCOUNTER},
        "effectiveDateTime": (START + timedelta(hours=hour)).isoformat(),
        "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit},
        **more,
    }


def bundle(*resources: dict, kind: str = "collection") -> dict:
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def ward(hsloc: str = "1027-2") -> tuple[dict, dict]:
    """A Location, and what of an Encounter says that it was there."""
    system = "https://www.cdc.gov/nhsn/cdaportal/terminology/codesystem/hsloc.html"
    kind = [{"coding": [{"system": system, "code": hsloc}]}]
    location = {"resourceType": "Location", "id": "ward", "type": kind}
    return location, {"location": [{"location": {"reference": "Location/ward"}}]}


def stay(record: dict) -> list[dict]:
    """All that a record of icu_mortality states, as resources."""
    location, placed = ward()
    resources = [patient(), encounter(**placed), location]
    resources.append(observation("8302-2", record["height_cm"], "cm", hour=0))
    resources.append(observation("29463-7", record["weight_kg"], "kg", hour=0))
    for column, (loinc, unit) in MEASURED.items():
        resources += [observation(loinc, value, unit, hour=h) for h, value in record[column]]
    return [{**r, "id": r.get("id", f"o{number}")} for number, r in enumerate(resources)]
