"""What the service shows the network is what training showed it, to the last bit."""

import numpy as np
import pytest

from medpipe import config, workloads
from medpipe.errors import UnreadableError


def readable(workload, folder, limits):
    """Content and row of raw of each file of the sample that can be read."""
    workload.synthesise(folder, patients=6, seed=5)
    for item in workload.source("sample", folder, options={}).items():
        content = item.payload.read_bytes()
        try:
            yield content, workload.read(content, limits=limits)
        except UnreadableError:
            continue


@pytest.mark.parametrize("name", workloads.names())
def test_a_request_is_encoded_as_raw_is(name, tmp_path):
    workload = workloads.get(name)
    params = config.parse({}, workload)
    limits = params.ingest.model_dump(mode="json")
    pairs = list(readable(workload, tmp_path, limits))
    state = workload.fit([row for _, row in pairs], params.preprocess)
    assert len(pairs) >= 6
    for content, row in pairs:
        facts, inputs = workload.request(content, state, limits=limits)
        expected = workload.encode(row, state)
        assert inputs.keys() == expected.keys()
        assert all(np.array_equal(inputs[key], expected[key]) for key in inputs)
        assert workload.cautions(facts, state) == workload.cautions(row, state)
