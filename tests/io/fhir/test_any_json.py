"""Whatever a bundle holds, it is read or refused in words."""

import copy
import json

import pytest
from bundles import bundle, stay
from hypothesis import given, settings
from hypothesis import strategies as st

from medpipe import workloads
from medpipe.errors import UnreadableError
from medpipe.io.fhir.chart import Chart, entries
from medpipe.io.fhir.mapping import stated
from medpipe.records import record

WHOLE = bundle(*stay(dict(workloads.get("icu_mortality").example))[:8])
NAMES = [name for name in workloads.names() if workloads.get(name).fhir]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def places(node, path=()):
    """Paths to every part of `node`."""
    yield path
    if isinstance(node, (dict, list)):
        for key, inner in node.items() if isinstance(node, dict) else enumerate(node):
            yield from places(inner, (*path, key))


PLACES = [path for path in places(WHOLE) if path]


def read(name, sent):
    """What any caller may send, through JSON; None where it is refused."""
    workload = workloads.get(name)
    try:
        chart = Chart(entries(json.loads(json.dumps(sent))), codes=workload.fhir.codes)
        found = stated(chart, workload.fhir, record.asked(workload))
        return record.parsed(json.dumps(found.record).encode(), workload)
    except UnreadableError:
        return None


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=200, deadline=None)
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), anything), min_size=1, max_size=3))
def test_a_bundle_with_anything_in_any_place_is_read_or_refused(name, changes):
    sent = copy.deepcopy(WHOLE)
    for (*steps, last), value in changes:
        place = sent
        try:
            for step in steps:
                place = place[step]
            place[last] = value
        except (KeyError, IndexError, TypeError):  # an earlier change took it away
            continue
    read(name, sent)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=100, deadline=None)
@given(sent=anything)
def test_any_json_at_all_is_refused(name, sent):
    assert read(name, sent) is None


@pytest.mark.parametrize("number", [10**400, -(10**400), 1e308, 5e-324, float("inf"), True])
def test_no_number_is_too_large_to_be_refused(number):
    sent = copy.deepcopy(WHOLE)
    sent["entry"][5]["resource"]["valueQuantity"]["value"] = number
    found = read("icu_mortality", sent)
    assert found is None or number is True
