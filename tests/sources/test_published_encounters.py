"""Layout `diabetes130`: published names, numbers and words become the workload's."""

import csv
import zipfile

import pytest

from medpipe.errors import SourceError
from medpipe.workloads.readmission import WORKLOAD

PUBLISHED = {
    "encounter_id": "2278392", "patient_nbr": "8222157", "race": "Caucasian", "gender": "Female",
    "age": "[0-10)", "weight": "?", "admission_type_id": "6", "discharge_disposition_id": "25",
    "admission_source_id": "1", "time_in_hospital": "1", "payer_code": "?",
    "medical_specialty": "Pediatrics-Endocrinology", "num_lab_procedures": "41",
    "num_procedures": "0", "num_medications": "1", "number_outpatient": "0",
    "number_emergency": "0", "number_inpatient": "0", "diag_1": "250.83", "diag_2": "?",
    "diag_3": "?", "number_diagnoses": "1", "max_glu_serum": "None", "A1Cresult": ">8",
    "change": "Ch", "diabetesMed": "Yes", "readmitted": ">30",
}  # fmt: skip
"""The first encounter, as published, its drugs apart."""


@pytest.fixture
def folder(tmp_path):
    drugs = [c.name.replace("_", "-") for c in WORKLOAD.columns if "Steady" in c.values]
    first = PUBLISHED | dict.fromkeys(drugs, "No")
    second = first | {"encounter_id": "1", "readmitted": "<30", "gender": "Unknown/Invalid",
                      "discharge_disposition_id": "3", "insulin": "Up"}  # fmt: skip
    with (tmp_path / "diabetic_data.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(first))
        table.writeheader()
        table.writerows([first, second])
    return tmp_path


def items(path):
    return list(WORKLOAD.source("diabetes130", path, options={}).items())


def test_an_encounter_says_what_was_published(folder):
    first, second = items(folder)
    assert (first.key, first.patient_id, first.label, first.acquired) == (
        "2278392", "8222157", 0, None,
    )  # fmt: skip
    known = {name: value for name, value in first.payload.items() if value not in (None, "No")}
    assert known == {
        "race": "Caucasian", "sex": "F", "age_band": "[0-10)", "admission_source": "physician",
        "stay_days": 1, "laboratory_procedures": 41, "procedures": 0, "medications": 1,
        "prior_outpatient_visits": 0, "prior_emergency_visits": 0, "prior_inpatient_stays": 0,
        "diagnosis_1": "250.83", "diagnoses": 1, "a1c": ">8", "drug_change": True,
        "diabetes_drug": True,
    }  # fmt: skip
    assert (second.label, second.payload["sex"], second.payload["insulin"]) == (1, None, "Up")
    assert second.payload["discharge_disposition"] == "skilled nursing facility"


def test_archive_file_and_folder_are_the_same(folder):
    expected = items(folder)
    assert items(folder / "diabetic_data.csv") == expected
    with zipfile.ZipFile(folder / "dataset_diabetes.zip", "w") as archive:
        archive.write(folder / "diabetic_data.csv", "dataset_diabetes/diabetic_data.csv")
    assert items(folder / "dataset_diabetes.zip") == expected


def test_a_folder_without_either_says_what_was_looked_for(tmp_path):
    with pytest.raises(
        SourceError, match=r"looked for dataset_diabetes\.zip or diabetic_data\.csv"
    ):
        items(tmp_path)
