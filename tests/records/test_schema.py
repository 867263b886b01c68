"""The schema of a record says what the service will say, before anything is sent."""

import pytest
from asked_question import GOOD, Question
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from medpipe import workloads
from medpipe.errors import UnreadableError
from medpipe.records import record, schema

RECORDS = [name for name in workloads.names() if workloads.get(name).payload == "record"]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1000, 30_000)
    | st.floats(-100, 500, allow_nan=False)
    | st.sampled_from(["F", "M", "female", "2024-05-31", "2024-02-31", "20240531", "", "x" * 201]),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


def validator(workload):
    return Draft202012Validator(
        schema.of(workload), format_checker=Draft202012Validator.FORMAT_CHECKER
    )


@pytest.mark.parametrize("name", RECORDS)
def test_the_schema_of_every_workload_is_one_and_its_example_fits(name):
    made = schema.of(workloads.get(name))
    Draft202012Validator.check_schema(made)
    (example,) = made["examples"]
    validator(workloads.get(name)).validate(example)
    assert list(made["properties"]) == [c.name for c in record.asked(workloads.get(name))]


@given(st.sampled_from([c.name for c in record.asked(Question())]), VALUES)
@settings(max_examples=600, deadline=None)
def test_what_the_service_refuses_the_schema_refuses(name, value):
    stated = GOOD | {name: value}
    if validator(Question()).is_valid(stated):
        record.checked(stated, Question())  # raises where it refuses


@given(st.sampled_from(RECORDS), st.data())
@settings(max_examples=200, deadline=None)
def test_so_it_does_for_every_workload(name, data):
    workload = workloads.get(name)
    column = data.draw(st.sampled_from([c.name for c in record.asked(workload)]))
    stated = {**workload.example, column: data.draw(VALUES)}
    if validator(workload).is_valid(stated):
        record.checked(stated, workload)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("age_years", 121),
        ("age_years", None),
        ("visits", 1.5),
        ("sex", "female"),
        ("smokes", 1),
        ("seen_on", "2024-02-31"),
        ("creatinine", [[49, 1]]),
        ("creatinine", [[1, 31]]),
        ("creatinine", [[1]]),
        ("digest", "computed by the source"),
    ],
)
def test_each_limit_of_a_column_stands_in_the_schema(name, value):
    stated = GOOD | {name: value}
    assert not validator(Question()).is_valid(stated)
    with pytest.raises(UnreadableError):
        record.checked(stated, Question())


def test_a_field_has_a_name_for_people_its_unit_and_its_meaning():
    fields = schema.of(workloads.get("icu_mortality"))["properties"]
    told = [(fields[n]["title"], fields[n]["x-unit"]) for n in ("age_years", "heart_rate_bpm")]
    assert told == [("age", "years"), ("heart rate", "beats/min")]
    assert fields["age_years"]["description"].startswith("age at admission")
