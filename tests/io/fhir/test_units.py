"""Conversions against a library of UCUM, and codes against their own check digits."""

import functools
from decimal import Decimal

import pytest
from ucumvert import PintUcumRegistry

from medpipe import workloads
from medpipe.io.fhir import units
from medpipe.io.fhir.finders import Highest, Nearest, Series
from medpipe.io.fhir.units import Scale

REGISTRY = PintUcumRegistry()
MOLAR_MASS = {  # g/mol, from the standard atomic weights; urea nitrogen: of its two atoms
    "14118-4": 90.08,  # lactic acid, C3H6O3
    "14682-9": 113.12,  # creatinine, C4H7N3O
    "22664-7": 28.014,
    "2601-3": 24.305,  # magnesium
    "14749-6": 180.156,  # glucose, C6H12O6
    "14631-6": 584.66,  # bilirubin, C33H36N4O6
    "14647-2": 386.65,  # cholesterol, C27H46O
}
IN = {  # the columns' own units, as UCUM spells them
    **{"beats/min": "/min", "breaths/min": "/min", "°C": "Cel", "points": "1", "": "1"},
    **{"mmHg": "mm[Hg]", "IU/L": "[IU]/L", "cells/nL": "10*9/L", "µg/L": "ug/L"},
}
MEASURED = {"glucose": "mg/dL", "a1c": "%"}
"""Units of what becomes a class."""
COUNTED = {
    "{beats}/min": "/min",
    "{breaths}/min": "/min",
    "{score}": "1",
    "[pH]": "1",
    "U/L": "[IU]/L",
}
"""What an annotation or a name makes of a unit that the library knows."""


def declared():
    """Column's unit, molar mass, UCUM code and factor of every conversion, each once."""
    for name in workloads.names():
        workload = workloads.get(name)
        columns = {column.name: column for column in workload.columns}
        for found in workload.fhir.columns if workload.fhir else ():
            if isinstance(found, (Series, Nearest, Highest)):
                unit = MEASURED.get(found.column, columns[found.column].unit)
                for codes in found.codes:
                    mass = next((MOLAR_MASS[c] for c in codes.loinc if c in MOLAR_MASS), None)
                    for ucum, scale in codes.units.items():
                        if not scale.offset:  # those that have one are tested below
                            yield IN.get(unit, unit), mass, ucum, scale.factor


@functools.cache
def ratio(ucum, unit):
    """How many `unit` are one `ucum`."""
    return REGISTRY.from_ucum(COUNTED.get(ucum, ucum)).to(REGISTRY.from_ucum(unit)).magnitude


@pytest.mark.parametrize(("unit", "mass", "ucum", "factor"), sorted(set(declared()), key=str))
def test_a_factor_is_what_a_library_of_units_says(unit, mass, ucum, factor):
    if ucum == "meq/L":  # equivalents: moles by charge; magnesium has two
        expected = 1.0 if mass is None else mass / 10 / 2
    elif mass is not None and "mol" in ucum:
        expected = mass * ratio(ucum, "mol/L") * ratio("g/L", unit)
    elif mass is not None and "mol" in unit:
        expected = ratio(ucum, "g/L") / mass * ratio("mol/L", unit)
    else:
        expected = ratio(ucum, unit)
    assert float(factor) == pytest.approx(expected, rel=2e-4)


def test_temperatures_are_those_of_the_textbook():
    scales = next(
        found.codes[0].units
        for found in workloads.get("icu_mortality").fhir.columns
        if found.column == "temperature_c"
    )
    assert [scales["[degF]"](value) for value in (32, 98.6, 212)] == [0, 37, 100]
    assert scales["K"](310.15) == 37


def test_a1c_of_53_mmol_per_mol_is_7_percent():
    scales = next(
        found.codes[1].units
        for found in workloads.get("readmission").fhir.columns
        if found.column == "a1c"
    )
    assert scales["mmol/mol"](53) == pytest.approx(7.0, abs=0.005)  # table of the NGSP


def test_a_conversion_is_decimal():
    assert Scale(Decimal("0.01"))(35) == 0.35
    assert 35 * 0.01 != 0.35


@pytest.mark.parametrize(
    ("quantity", "code"),
    [
        ({"system": "http://unitsofmeasure.org", "code": "mg/dL", "unit": "mg per dl"}, "mg/dL"),
        ({"unit": "mg/dL"}, "mg/dL"),
        ({"system": "http://snomed.info/sct", "code": "258797006"}, None),
        ({}, "1"),
    ],
)
def test_the_unit_is_what_ucum_calls_it(quantity, code):
    assert units.code(quantity) == code


def test_a_refusal_repeats_units_and_no_other_text():
    assert units.shown("mmol/L") == "mmol/L"
    assert "doe" not in units.shown("Doe").lower()


def luhn(digits: str) -> int:
    doubled = [int(d) * (2 - place % 2) for place, d in enumerate(reversed(digits))]
    return -sum(d // 10 + d % 10 for d in doubled) % 10


@pytest.mark.parametrize("name", [n for n in workloads.names() if workloads.get(n).fhir])
def test_every_loinc_code_has_its_check_digit(name):
    codes = workloads.get(name).fhir.codes
    assert len(codes) >= 4
    assert [c for c in codes if luhn(c.partition("-")[0]) != int(c.partition("-")[2])] == []
