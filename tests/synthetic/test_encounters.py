"""The invented encounters: same bytes for a seed, identifiable, with faults and a signal."""

import csv

import numpy as np
import pytest

from medpipe.objectives import get
from medpipe.synthetic import encounters
from medpipe.workloads.readmission import WORKLOAD


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    WORKLOAD.synthesise(folder, patients=400, seed=3)
    return folder / encounters.FILE


def test_one_seed_gives_the_same_bytes_and_more_patients_the_same_first_ones(table, tmp_path):
    WORKLOAD.synthesise(tmp_path, patients=40, seed=3)
    fewer = (tmp_path / encounters.FILE).read_bytes()
    assert table.read_bytes().startswith(fewer)
    WORKLOAD.synthesise(tmp_path, patients=40, seed=4)
    assert (tmp_path / encounters.FILE).read_bytes() != fewer


def test_it_names_people_and_its_words_are_those_that_are_declared(table):
    with table.open(encoding="utf-8") as file:
        first = next(csv.DictReader(file))
    assert first["name"] in table.read_text(encoding="utf-8")
    assert first["mrn"]
    assert first["born"] < first["discharged_on"]
    for column in WORKLOAD.columns:
        if column.values and column.name in first and first[column.name]:
            assert first[column.name] in column.values, column.name


def test_its_faults_are_there_for_ingest_validate_and_the_cohort(table):
    payloads = [
        item.payload for item in WORKLOAD.source("sample", table.parent, options={}).items()
    ]
    assert any(row["diagnosis_2"] == "E11.65" for row in payloads)
    assert any(row["stay_days"] == 999 for row in payloads)
    assert any(row["discharge_disposition"] == "died" for row in payloads)
    assert any(row["race"] is None for row in payloads)


def test_its_signal_can_be_learned(table):
    items = [i for i in WORKLOAD.source("sample", table.parent, options={}).items()]
    known = [item for item in items if item.label is not None]
    assert len(known) < len(items)
    stays = np.array([item.payload["prior_inpatient_stays"] for item in known], float)
    labels = np.array([item.label for item in known], np.float32)
    assert get("binary").score(labels, stays) > 0.7
