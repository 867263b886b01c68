"""How FHIR says what is measured in intensive care: by LOINC and SNOMED CT codes, in UCUM units.

A code is listed where it means what the column means: serum and plasma, arterial blood gases, an
arterial line apart from a cuff. A mass and an amount of substance have codes of their own, and
each code comes in units of its own kind only: mmol/L under a code of mass is a mistake of somebody.

This material contains content from LOINC (http://loinc.org), copyright © Regenstrief Institute,
Inc. and the LOINC Committee, free of charge under https://loinc.org/license. SNOMED CT is of SNOMED
International; its use needs a licence in some countries.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from medpipe.io.fhir.elements import SNOMED, Coding
from medpipe.io.fhir.finders import Age, Coded, Codes, Nearest, Series, Throughout
from medpipe.io.fhir.mapping import FhirMap
from medpipe.io.fhir.units import Scale, Units, units
from medpipe.records.physiology import HOURS

_DAY_H = 24.0
_PER_MINUTE = units({"/min": 1, "{beats}/min": 1, "{breaths}/min": 1})
_POINTS = units({"{score}": 1, "1": 1})
_CELSIUS: Units = {
    "Cel": Scale(Decimal(1)),
    "[degF]": Scale(Decimal(5) / 9, -Decimal(160) / 9),
    "K": Scale(Decimal(1), Decimal("-273.15")),
}
_MMHG = units({"mm[Hg]": 1, "kPa": "7.500615613"})
_SHARE = units({"%": "0.01", "1": 1})
_PERCENT = units({"%": 1, "1": 100, "L/L": 100})
_KG = units({"kg": 1, "g": "0.001", "[lb_av]": "0.45359237"})
_CM = units({"cm": 1, "m": 100, "mm": "0.1", "[in_i]": "2.54"})
_ML = units({"mL": 1, "L": 1000})
_PH = units({"[pH]": 1, "1": 1})
_MMOL_L = units({"mmol/L": 1, "meq/L": 1})  # of ions with one charge
_MG_DL = units({"mg/dL": 1, "mg/L": "0.1", "g/L": 100})
_G_DL = units({"g/dL": 1, "g/L": "0.1"})
_UG_L = units({"ug/L": 1, "ng/mL": 1, "ng/L": "0.001", "pg/mL": "0.001"})
_PER_NL = units({"10*3/uL": 1, "10*9/L": 1, "/uL": "0.001"})
_UNITS_L = units({"U/L": 1, "[IU]/L": 1})


def _mg_dl(grams_per_mole: str) -> Units:
    """Amounts of a substance as mg/dL; its molar mass decides."""
    mass = Decimal(grams_per_mole)
    return {"mmol/L": Scale(mass / 10), "umol/L": Scale(mass / 10_000)}


_LACTIC_ACID = Decimal("90.08")  # g/mol
_LACTATE: Units = {"mg/dL": Scale(10 / _LACTIC_ACID)}
_CUFF = "blood pressures without a method were taken for those of a cuff"

_WEIGHT = (Codes(("29463-7", "3141-9"), _KG),)
_MEASURED: Mapping[str, tuple[Codes, ...]] = {
    "heart_rate_bpm": (Codes(("8867-4",), _PER_MINUTE),),
    "respiratory_rate_bpm": (Codes(("9279-1",), _PER_MINUTE),),
    "temperature_c": (Codes(("8310-5", "8329-5", "8331-1", "8332-9"), _CELSIUS),),
    "gcs_points": (Codes(("9269-2",), _POINTS),),
    "urine_ml": (Codes(("9187-6",), _ML),),
    "systolic_mmhg": (Codes(("76215-3",), _MMHG),),
    "diastolic_mmhg": (Codes(("76213-8",), _MMHG),),
    "mean_pressure_mmhg": (Codes(("76214-6",), _MMHG),),
    "cuff_systolic_mmhg": (
        Codes(("76534-7",), _MMHG),
        Codes(("8480-6",), _MMHG, unless=("76215-3", "76534-7"), presumed=_CUFF),
    ),
    "cuff_diastolic_mmhg": (
        Codes(("76535-4",), _MMHG),
        Codes(("8462-4",), _MMHG, unless=("76213-8", "76535-4"), presumed=_CUFF),
    ),
    "cuff_mean_pressure_mmhg": (
        Codes(("76536-2",), _MMHG),
        Codes(("8478-0",), _MMHG, unless=("76214-6", "76536-2"), presumed=_CUFF),
    ),
    "fio2_fraction": (Codes(("3150-0", "19994-3"), _SHARE),),
    # A pulse oximeter's value has this code, too, by the profile of vital signs; the column is of
    # blood gases, which are taken a few times a day.
    "sao2_percent": (Codes(("2708-6",), _PERCENT, unless=("59408-5",)),),
    "pao2_mmhg": (Codes(("2703-7",), _MMHG),),
    "paco2_mmhg": (Codes(("2019-8",), _MMHG),),
    "ph": (Codes(("2744-1",), _PH),),
    "bicarbonate_mmol_l": (Codes(("1963-8", "2028-9", "1959-6"), _MMOL_L),),
    "lactate_mmol_l": (
        Codes(("2524-7", "32693-4", "2518-9"), units({"mmol/L": 1})),
        Codes(("14118-4",), _LACTATE),
    ),
    "creatinine_mg_dl": (
        Codes(("2160-0", "38483-4"), _MG_DL),
        Codes(("14682-9",), _mg_dl("113.12")),
    ),
    "urea_nitrogen_mg_dl": (
        Codes(("3094-0", "6299-2"), _MG_DL),
        Codes(("22664-7",), _mg_dl("28.014")),  # urea holds two atoms of nitrogen
    ),
    "sodium_mmol_l": (Codes(("2951-2", "2947-0"), _MMOL_L),),
    "potassium_mmol_l": (Codes(("2823-3", "6298-4"), _MMOL_L),),
    "magnesium_mg_dl": (
        Codes(("19123-9",), _MG_DL),
        Codes(("2601-3",), {**_mg_dl("24.305"), "meq/L": Scale(Decimal("1.21525"))}),
    ),
    "glucose_mg_dl": (
        Codes(("2345-7", "2339-0", "41653-7"), _MG_DL),
        Codes(("14749-6", "15074-8"), _mg_dl("180.156")),
    ),
    "haematocrit_percent": (Codes(("4544-3", "20570-8"), _PERCENT),),
    "leucocytes_per_nl": (Codes(("6690-2", "26464-8"), _PER_NL),),
    "platelets_per_nl": (Codes(("777-3", "26515-7"), _PER_NL),),
    "bilirubin_mg_dl": (Codes(("1975-2",), _MG_DL), Codes(("14631-6",), _mg_dl("584.66"))),
    "alt_iu_l": (Codes(("1742-6", "1743-4"), _UNITS_L),),
    "ast_iu_l": (Codes(("1920-8", "30239-8"), _UNITS_L),),
    "alp_iu_l": (Codes(("6768-6",), _UNITS_L),),
    "albumin_g_dl": (Codes(("1751-7",), _G_DL),),
    "cholesterol_mg_dl": (Codes(("2093-3",), _MG_DL), Codes(("14647-2",), _mg_dl("386.65"))),
    "troponin_i_ug_l": (Codes(("10839-9", "42757-5", "49563-0", "89579-7"), _UG_L),),
    "troponin_t_ug_l": (Codes(("6598-7", "48425-3", "67151-1"), _UG_L),),
}
"""By column. Urine of 24 hours (9188-4) is another quantity than what was passed since the last."""

_SEXES: Mapping[Coding, str] = {("", "male"): "M", ("", "female"): "F", ("", "other"): "O"}
_HSLOC = "https://www.cdc.gov/nhsn/cdaportal/terminology/codesystem/hsloc.html"
_UNIT_TYPES: Mapping[Coding, str] = {
    (_HSLOC, "1028-0"): "coronary",
    (_HSLOC, "1032-2"): "cardiac surgery",
    (_HSLOC, "1027-2"): "medical",
    (_HSLOC, "1030-6"): "surgical",
    ("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "CCU"): "coronary",
}
_VENTILATION = ("40617009", "243147009", "243141005", "1258985005")
"""Artificial, controlled, assisted and invasive ventilation; not by a mask (428311008)."""

INTENSIVE_CARE = FhirMap(
    columns=(
        Age("age_years"),
        # As in the reference data: the weight at admission is one column, later ones are the other.
        Nearest("height_cm", (Codes(("8302-2", "3137-7"), _CM),), after_h=HOURS),
        Nearest("weight_kg", _WEIGHT, before_h=7 * _DAY_H),
        Series("daily_weight_kg", _WEIGHT, from_h=1),
        Coded("sex", "Patient", ("gender",), _SEXES),
        Coded("unit_type", "Location", ("type",), _UNIT_TYPES),
        *(Series(column, codes) for column, codes in _MEASURED.items()),
        Throughout("ventilated", tuple((SNOMED, code) for code in _VENTILATION)),
    ),
)
"""The Encounter must be the stay in the unit: hours are counted from its beginning."""
