"""The invented stays: the same bytes for a seed, identifiable, and with something to learn."""

import csv

import numpy as np
import pytest

from medpipe.records.physiology import VARIABLES
from medpipe.synthetic import stays
from medpipe.workloads.icu_mortality import CLASSES, WORKLOAD


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    stays.write(folder, patients=150, seed=3)
    return folder


def table(folder, name):
    with (folder / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_one_seed_gives_the_same_bytes_and_another_does_not(written, tmp_path):
    for seed, same in ((3, True), (4, False)):
        (tmp_path / str(seed)).mkdir()
        stays.write(tmp_path / str(seed), patients=150, seed=seed)
        for name in (stays.STAYS, stays.MEASUREMENTS):
            again = (tmp_path / str(seed) / name).read_bytes()
            assert (again == (written / name).read_bytes()) is same


def test_the_first_patients_do_not_depend_on_how_many_there_are(written, tmp_path):
    stays.write(tmp_path, patients=10, seed=3)
    few = (tmp_path / stays.STAYS).read_bytes()
    assert (written / stays.STAYS).read_bytes().startswith(few)


def test_stays_name_people_and_ingest_is_told_nothing_of_them(written):
    people = table(written, stays.STAYS)
    assert all(row["name"] and row["born"] and row["address"] for row in people)
    payloads = [i.payload for i in WORKLOAD.source("sample", written, options={}).items()]
    told = repr([{k: v for k, v in p.items() if not isinstance(v, list)} for p in payloads])
    assert not any(row["name"] in told or row["born"] in told for row in people)


def test_words_are_those_of_the_workload(written):
    known = {variable.name for variable in VARIABLES}
    assert {row["variable"] for row in table(written, stays.MEASUREMENTS)} <= known
    units = next(column.values for column in CLASSES if column.name == "unit_type")
    assert {row["unit"] for row in table(written, stays.STAYS)} == set(units)


def test_whoever_dies_has_a_lower_coma_score(written):
    died = {r["stay"]: r["died_in_hospital"] for r in table(written, stays.STAYS)}
    scores = {"0": [], "1": []}
    for row in table(written, stays.MEASUREMENTS):
        if row["variable"] == "gcs_points" and died[row["stay"]]:
            scores[died[row["stay"]]].append(float(row["value"]))
    assert np.mean(scores["1"]) < np.mean(scores["0"]) - 1
