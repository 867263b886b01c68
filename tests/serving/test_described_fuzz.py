"""Anything that the description allows, and much that it does not, sent to a real service."""

import pytest
import schemathesis
from described_release import write_all
from hypothesis import HealthCheck, given, settings
from running import serve
from schemathesis import GenerationMode
from schemathesis import checks as known
from schemathesis.specs.openapi import checks
from schemathesis.transport.serialization import serialize_binary

CHECKS = [
    known.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
]
REQUESTS = 60
"""Of each kind, for each operation."""
pytestmark = pytest.mark.slow


@schemathesis.serializer("application/dicom", "multipart/related")
def as_it_is(_, value):
    """Bytes of these types are sent as they were invented."""
    return {"data": serialize_binary(value)}


@pytest.fixture(scope="module")
def described(tmp_path_factory, pytestconfig):
    """The description that a service of every workload gives of itself."""
    folder = tmp_path_factory.mktemp("fuzzed")
    write_all(folder)
    # Where no key is set up, an invented one is refused before anything else is looked at.
    config = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
    with serve(pytestconfig.rootpath, folder, MEDPIPE_RATE="100000/s") as address:
        yield schemathesis.openapi.from_url(f"{address}/v1/openapi.json", config=config)


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_breaks_the_service_or_gets_an_undocumented_answer(described, mode, subtests):
    for operation in (found.ok() for found in described.get_all_operations()):
        takes_nothing = not [*operation.iter_parameters(), *operation.body]
        if mode.is_negative and takes_nothing:  # nothing can be wrong with it
            continue

        @settings(
            max_examples=REQUESTS,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def send(case):
            case.call_and_validate(checks=CHECKS)

        with subtests.test(operation.label):
            send()
