"""What is measured at the bedside of an intensive-care unit: names, units, and what is plausible.

The only place where a unit or a range of a measurement is written. A range holds what a living
patient can show and a device can report; it is there to find wrong units, slipped decimal points
and switched-off monitors, not to say what is normal. What lies outside is taken for not known.

References
----------
Names and units: PhysioNet/CinC Challenge 2012, https://physionet.org/content/challenge-2012/1.0.0/
(its page gives magnesium in mmol/L; the values are those of mg/dL, normal being 1.7 to 2.2).
"""

from __future__ import annotations

from dataclasses import dataclass

from medpipe.columns import Column

HOURS = 48
"""Of a stay that are looked at, from admission to the unit."""


@dataclass(frozen=True)
class Variable:
    """A series of measurements.

    Parameters
    ----------
    column : of raw
    challenge : its name in the files of the challenge
    skewed : its logarithm is nearer to a normal distribution than itself
    """

    column: Column
    challenge: str
    skewed: bool = False

    @property
    def name(self) -> str:
        return self.column.name

    @property
    def words(self) -> str:
        return self.column.meaning


def _series(
    name: str,
    words: str,
    unit: str,
    low: float,
    high: float,
    challenge: str,
    *,
    skewed: bool = False,
) -> Variable:
    column = Column(name, "series", words, unit, low=low, high=high, span_h=HOURS, flagged=True)
    return Variable(column, challenge, skewed=skewed)


VARIABLES: tuple[Variable, ...] = (
    # Bedside
    _series("heart_rate_bpm", "heart rate", "beats/min", 10, 300, "HR"),
    _series("respiratory_rate_bpm", "respiratory rate", "breaths/min", 1, 100, "RespRate"),
    _series("temperature_c", "temperature", "°C", 25, 45, "Temp"),
    _series("gcs_points", "Glasgow coma score", "points", 3, 15, "GCS"),
    _series("urine_ml", "urine output", "mL", 0, 12_000, "Urine", skewed=True),
    _series("daily_weight_kg", "weight", "kg", 20, 400, "Weight"),
    _series("ventilated", "mechanical ventilation", "", 0, 1, "MechVent"),
    # Blood pressure
    _series("systolic_mmhg", "arterial systolic pressure", "mmHg", 20, 300, "SysABP"),
    _series("diastolic_mmhg", "arterial diastolic pressure", "mmHg", 5, 250, "DiasABP"),
    _series("mean_pressure_mmhg", "arterial mean pressure", "mmHg", 10, 300, "MAP"),
    _series("cuff_systolic_mmhg", "cuff systolic pressure", "mmHg", 20, 300, "NISysABP"),
    _series("cuff_diastolic_mmhg", "cuff diastolic pressure", "mmHg", 5, 250, "NIDiasABP"),
    _series("cuff_mean_pressure_mmhg", "cuff mean pressure", "mmHg", 10, 300, "NIMAP"),
    # Gases
    _series("fio2_fraction", "inspired oxygen fraction", "", 0.2, 1, "FiO2"),
    _series("sao2_percent", "oxygen saturation", "%", 20, 100, "SaO2"),
    _series("pao2_mmhg", "arterial oxygen pressure", "mmHg", 10, 700, "PaO2", skewed=True),
    _series("paco2_mmhg", "arterial carbon dioxide pressure", "mmHg", 5, 200, "PaCO2", skewed=True),
    _series("ph", "arterial pH", "", 6.5, 8.0, "pH"),
    _series("bicarbonate_mmol_l", "bicarbonate", "mmol/L", 2, 60, "HCO3"),
    _series("lactate_mmol_l", "lactate", "mmol/L", 0.1, 40, "Lactate", skewed=True),
    # Kidney, salts, sugar
    _series("creatinine_mg_dl", "creatinine", "mg/dL", 0.1, 30, "Creatinine", skewed=True),
    _series("urea_nitrogen_mg_dl", "blood urea nitrogen", "mg/dL", 1, 300, "BUN", skewed=True),
    _series("sodium_mmol_l", "sodium", "mmol/L", 90, 200, "Na"),
    _series("potassium_mmol_l", "potassium", "mmol/L", 1, 15, "K", skewed=True),
    _series("magnesium_mg_dl", "magnesium", "mg/dL", 0.3, 12, "Mg", skewed=True),
    _series("glucose_mg_dl", "glucose", "mg/dL", 10, 2_000, "Glucose", skewed=True),
    # Blood
    _series("haematocrit_percent", "haematocrit", "%", 5, 75, "HCT"),
    _series("leucocytes_per_nl", "leucocytes", "cells/nL", 0.1, 500, "WBC", skewed=True),
    _series("platelets_per_nl", "platelets", "cells/nL", 1, 2_500, "Platelets", skewed=True),
    # Liver, heart, nutrition
    _series("bilirubin_mg_dl", "bilirubin", "mg/dL", 0.1, 80, "Bilirubin", skewed=True),
    _series("alt_iu_l", "alanine transaminase", "IU/L", 1, 25_000, "ALT", skewed=True),
    _series("ast_iu_l", "aspartate transaminase", "IU/L", 1, 40_000, "AST", skewed=True),
    _series("alp_iu_l", "alkaline phosphatase", "IU/L", 5, 5_000, "ALP", skewed=True),
    _series("albumin_g_dl", "albumin", "g/dL", 0.5, 8, "Albumin"),
    _series("cholesterol_mg_dl", "cholesterol", "mg/dL", 10, 1_500, "Cholesterol", skewed=True),
    _series("troponin_i_ug_l", "troponin I", "µg/L", 0.001, 500, "TroponinI", skewed=True),
    _series("troponin_t_ug_l", "troponin T", "µg/L", 0.001, 100, "TroponinT", skewed=True),
)
ROUTINE: tuple[tuple[str, ...], ...] = (
    ("heart_rate_bpm",),
    ("systolic_mmhg", "cuff_systolic_mmhg"),
    ("respiratory_rate_bpm", "ventilated"),
    ("temperature_c",),
    ("gcs_points",),
    ("urine_ml",),
    ("creatinine_mg_dl",),
    ("urea_nitrogen_mg_dl",),
    ("sodium_mmol_l",),
    ("potassium_mmol_l",),
    ("bicarbonate_mmol_l",),
    ("glucose_mg_dl",),
    ("haematocrit_percent",),
    ("leucocytes_per_nl",),
    ("platelets_per_nl",),
)
"""What is measured in nearly every patient of an intensive-care unit: by one series, or another."""
