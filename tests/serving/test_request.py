"""What the service shows the network is what training showed it, to the last bit."""

import json
from pathlib import Path

import numpy as np
import pytest

from medpipe import config, workloads
from medpipe.errors import UnreadableError
from medpipe.records import record
from medpipe.tables.raw import Raw

PATIENTS = {"file": 6, "record": 100}


def ingested(workload, folder, limits):
    """Payload, and row as raw gives it back, of each item of the sample that can be read."""
    workload.synthesise(folder, patients=PATIENTS[workload.payload], seed=5)
    payloads = {}
    raw = Raw(folder / "raw", workload.columns)

    def rows():
        for number, item in enumerate(workload.source("sample", folder, options={}).items()):
            is_file = isinstance(item.payload, Path)
            payload = item.payload.read_bytes() if is_file else item.payload
            try:
                row = workload.read(payload, limits=limits)
            except UnreadableError:
                continue
            payloads[f"e{number}"] = payload
            yield {**row, "example": f"e{number}"}

    raw.append(rows())
    stored = raw.rows([column.name for column in workload.columns], set(payloads))
    return [(payloads[example], stored[example]) for example in sorted(payloads)]


def requested(workload, payload, row):
    """What a caller of the service sends, as the workload is given it."""
    if workload.payload == "file":
        return payload
    stated = {column.name: row[column.name] for column in record.asked(workload)}
    inside = {name: value for name, value in stated.items() if value is not None}
    return record.parsed(json.dumps(inside, default=str).encode(), workload)


@pytest.mark.parametrize("name", workloads.names())
def test_a_request_is_encoded_as_raw_is(name, tmp_path):
    workload = workloads.get(name)
    params = config.parse({}, workload)
    limits = params.ingest.model_dump(mode="json")
    pairs = ingested(workload, tmp_path, limits)
    state = workload.fit([row for _, row in pairs], params.preprocess)
    seen = 0
    for payload, row in pairs:
        try:
            content = requested(workload, payload, row)
        except UnreadableError:  # outside a limit: flagged in raw, refused in a request
            continue
        seen += 1
        facts, inputs = workload.request(content, state, limits=limits)
        expected = workload.encode(row, state)
        assert inputs.keys() == expected.keys()
        assert all(np.array_equal(inputs[key], expected[key]) for key in inputs)
        assert all(inputs[key].dtype == expected[key].dtype for key in inputs)
        assert workload.cautions(facts, state) == workload.cautions(row, state)
    assert seen >= 0.9 * PATIENTS[workload.payload]
