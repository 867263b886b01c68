"""Layout `diabetes130`: encounters of diabetic patients in 130 US hospitals, 1999 to 2008.

    dataset_diabetes.zip      as published, or the file inside it:
    diabetic_data.csv         an encounter per row; `?` is not known, `None` not measured

Strack B, DeShazo JP, Gennings C, et al. Impact of HbA1c Measurement on Hospital Readmission Rates:
Analysis of 70,000 Clinical Database Patient Records. BioMed Research International 2014:781670.
UCI Machine Learning Repository, doi:10.24432/C5230J, CC BY 4.0.

`patient_nbr` is the patient: 71,518 people have 101,766 encounters. No dates were published.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medpipe.columns import Column
from medpipe.errors import SourceError
from medpipe.records.encounter import ADMISSION_SOURCES, ADMISSION_TYPES, DISPOSITIONS
from medpipe.sources.listing import found
from medpipe.sources.records import Records

_ZIP, _CSV = "dataset_diabetes.zip", "diabetic_data.csv"
_OWN_NAMES = {
    "sex": "gender",
    "age_band": "age",
    "payer": "payer_code",
    "admission_type": "admission_type_id",
    "admission_source": "admission_source_id",
    "discharge_disposition": "discharge_disposition_id",
    "stay_days": "time_in_hospital",
    "laboratory_procedures": "num_lab_procedures",
    "procedures": "num_procedures",
    "medications": "num_medications",
    "prior_outpatient_visits": "number_outpatient",
    "prior_emergency_visits": "number_emergency",
    "prior_inpatient_stays": "number_inpatient",
    "diagnoses": "number_diagnoses",
    "diagnosis_1": "diag_1",
    "diagnosis_2": "diag_2",
    "diagnosis_3": "diag_3",
    "glucose": "max_glu_serum",
    "a1c": "A1Cresult",
    "drug_change": "change",
    "diabetes_drug": "diabetesMed",
}
"""Column of raw → published column, where it is not the same; a drug's has - for _."""
_WORDS: dict[str, dict[str, str]] = {
    "admission_type": ADMISSION_TYPES,
    "admission_source": ADMISSION_SOURCES,
    "discharge_disposition": DISPOSITIONS,
    "sex": {"Female": "F", "Male": "M", "Unknown/Invalid": ""},
    "drug_change": {"Ch": "true", "No": "false"},
    "readmitted_30d": {"<30": "1", ">30": "0", "NO": "0"},
}


def diabetes130(path: Path, *, columns: Sequence[Column], label: Column) -> Records:
    """The published encounters at `path`: the archive, the file, or the folder that holds one.

    Raises
    ------
    SourceError : neither is there
    """
    place = _found(path)
    options = {
        "example": "encounter_id",
        "patient": "patient_nbr",
        "label": "readmitted",
        "columns": {c.name: _OWN_NAMES.get(c.name, c.name.replace("_", "-")) for c in columns},
        "values": _WORDS,
        "missing": ["?"],
    }
    member = _CSV if place.suffix == ".zip" else None
    return Records(place, options, columns=columns, label=label, member=member)


def _found(path: Path) -> Path:
    for place in (path, path / _ZIP, path / _CSV):
        if place.is_file():
            return place
    raise SourceError(f"{path}: looked for {_ZIP} or {_CSV}, found {found(path)}")
