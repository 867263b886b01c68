"""Intensive care on the challenge's 4,000 stays: what they hold, and what the pipeline learns."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
import yaml

from medpipe import config, stages
from medpipe.records import hourly
from medpipe.workloads import get

pytestmark = pytest.mark.real
WORKLOAD = get("icu_mortality")


@pytest.fixture(scope="module")
def folder(pytestconfig):
    data = config.environment("MEDPIPE_REAL_DATA")
    root = pytestconfig.rootpath / (data or "../shared/data") / "icu_physionet2012"
    if not root.is_dir():
        pytest.skip("no icu_physionet2012 under MEDPIPE_REAL_DATA or ../shared/data")
    return root


@pytest.fixture(scope="module")
def items(folder):
    return list(WORKLOAD.source("physionet2012", folder, options={}).items())


@pytest.fixture(scope="module")
def rows(items):
    return [WORKLOAD.read(item.payload.read_bytes(), limits={}) for item in items[:400]]


def test_there_are_4000_stays_of_as_many_patients_and_554_deaths(items):
    assert len(items) == len({item.patient_id for item in items}) == 4000
    assert Counter(item.label for item in items) == {"0": 3446, "1": 554}


def test_less_than_one_measurement_in_a_hundred_is_impossible(rows):
    stored = sum(len(row[column.name] or ()) for row in rows for column in WORKLOAD.columns
                 if column.dtype == "series")  # fmt: skip
    usable = sum(row["measurements"] for row in rows)
    assert 0.99 * stored < usable < stored


def test_100_stays_are_encoded_as_in_a_request_to_the_last_bit(rows):
    state = WORKLOAD.fit(rows, config.parse({}, WORKLOAD).preprocess)
    for row in rows[:100]:
        stored = {
            name: [np.array(pair, np.float32).tolist() for pair in value]
            if isinstance(value, list)
            else value
            for name, value in row.items()
        }
        asked = WORKLOAD.read(stored, limits={})
        for name, array in WORKLOAD.encode(stored, state).items():
            assert array.tobytes() == WORKLOAD.encode(asked, state)[name].tobytes()


def test_a_stay_is_summarised_as_pandas_does(rows):
    column = next(c for c in WORKLOAD.columns if c.name == "heart_rate_bpm")
    row = next(row for row in rows if row["heart_rate_bpm"])
    found = hourly.usable(row["heart_rate_bpm"], column)
    by_hour = pd.Series(found[:, 1]).groupby(found[:, 0].astype(int).clip(max=47)).mean()
    means, counts = hourly.means(row["heart_rate_bpm"], column, hours=48)
    assert np.flatnonzero(counts).tolist() == by_hour.index.tolist()
    assert means[counts > 0] == pytest.approx(by_hour.to_numpy())


@pytest.mark.slow
def test_the_pipelines_own_split_reaches_the_floor(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDPIPE_PSEUDONYM_KEY", "a key that only the tests know!!")  # one split
    section = {
        "source": {"name": "physionet2012", "path": str(folder)},
        "model": {"architecture": "gru", "dropout": 0.4},
        "augment": {"hide": 0.5},
        "train": {"epochs": 20, "learning_rate": 0.0015, "l2": 0.01, "precision": "fp32"},
        "export": {"variants": ["fp32"]},
        "evaluate": {"resamples": 200, "explained": 1, "latency_runs": 5},
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"workloads": {"icu_mortality": section}}))
    outcomes = {stage: stages.run(stage, "icu_mortality", root=tmp_path) for stage in stages.NAMES}
    assert outcomes["ingest"]["examples"] == 4000
    assert outcomes["preprocess"]["left_out"]["nothing was measured in the first 48 hours"] == 3
    assert outcomes["evaluate"]["auroc"]["value"] > 0.82  # 800 stays: ± 0.03
