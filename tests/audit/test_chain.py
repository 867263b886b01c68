"""What was changed, removed or inserted is found, and named by its number."""

import dataclasses
import hashlib
import hmac

import pytest
from entries import entries, entry
from hypothesis import given
from hypothesis import strategies as st

from medpipe.audit.chain import Chain, Fault, faults
from medpipe.audit.record import COLUMNS, START, Link, Record, name

KEY = bytes(range(32))
CHAIN = Chain(KEY)


def chained(count: int) -> list[Record]:
    return CHAIN.sealed(entries(count), START)


def found(records, heads=()) -> list[Fault]:
    return list(faults(records, CHAIN, list(heads)))


def numbers(records, heads=()) -> list[int]:
    return [fault.sequence for fault in found(records, heads)]


def test_a_hash_is_the_hmac_of_everything_else_in_canonical_form():
    (record,) = CHAIN.sealed([entry(answer_id="a", answer="{}")], START)
    written = (
        '{"answer":"{}","answer_id":"a","asked_by":"ward 3","at":"2026-03-01T08:00:00.000+00:00",'
        f'"certificate":"{"c" * 64}","input":"{"1" * 64}","latency_ms":3.25,'
        f'"previous":"{"0" * 64}","sequence":1,"standard":"http","status":200,"version":"3",'
        '"workload":"brightness"}'
    )
    assert record.hash == hmac.digest(KEY, b"record\0" + written.encode(), "sha256").hex()


def test_records_count_from_one_and_each_names_the_one_before():
    first, second = chained(2)
    assert (first.sequence, first.previous) == (1, "0" * 64)
    assert (second.sequence, second.previous) == (2, first.hash)


def test_a_whole_chain_has_no_fault_and_neither_has_an_empty_one():
    assert found(chained(5)) == []
    assert found([]) == []


@pytest.mark.parametrize("column", sorted({*COLUMNS} - {"sequence"}))
@given(place=st.integers(0, 4))
def test_a_change_of_any_column_is_found_where_it_is(column, place):
    records = chained(5)
    value = {"status": 404, "latency_ms": 9.0}.get(column, "changed")
    records[place] = dataclasses.replace(records[place], **{column: value})
    assert numbers(records)[0] == place + 1


@pytest.mark.parametrize("value", [b"bytes", float("inf"), "\udcff", None])
def test_a_value_that_no_record_ever_held_is_a_fault_and_no_crash(value):
    records = chained(3)
    records[1] = dataclasses.replace(records[1], answer=value)
    assert numbers(records) == [2]


@pytest.mark.parametrize(("removed", "first"), [([0], 1), ([2], 3), ([1, 2, 3], 2)])
def test_removed_records_are_missing_by_their_numbers(removed, first):
    records = [record for place, record in enumerate(chained(5)) if place not in removed]
    (fault,) = found(records)
    assert fault.sequence == first
    assert f"records up to {first + len(removed) - 1} were removed" in fault.fault


def test_removing_one_and_counting_the_rest_anew_is_found():
    first, _, third, fourth = chained(4)
    moved = [dataclasses.replace(r, sequence=r.sequence - 1) for r in (third, fourth)]
    assert numbers([first, *moved]) == [2, 2, 3]


def test_a_record_made_without_the_key_is_found_wherever_it_is_put():
    records = chained(3)
    end = Link(3, records[-1].hash)
    forged = Chain(b"another key").sealed([entry()], end)
    assert numbers([*records, *forged]) == [4]
    inserted = dataclasses.replace(forged[0], sequence=2)
    assert 2 in numbers([records[0], inserted, *records[1:]])


def test_a_record_cannot_be_put_before_the_first():
    early = dataclasses.replace(chained(1)[0], sequence=0)
    assert 0 in numbers([early, *chained(2)])


def test_a_tail_that_was_cut_off_is_seen_with_a_head_only():
    records = chained(5)
    head = Link(5, records[-1].hash)
    assert numbers(records[:3]) == []
    (fault,) = found(records[:3], [head])
    assert fault.sequence == 4
    assert "up to 5" in fault.fault


def test_a_rewritten_end_is_seen_with_an_earlier_head():
    records, others = chained(4), CHAIN.sealed([entry(), entry()], START)
    assert numbers(others, [Link(2, records[1].hash)]) == [2]


def test_the_same_input_has_another_digest_under_another_key_and_than_its_plain_one():
    digest = CHAIN.input_digest(b"film")
    assert digest == CHAIN.input_digest(b"film")
    assert digest not in (
        Chain(b"x" * 32).input_digest(b"film"),
        hashlib.sha256(b"film").hexdigest(),
        CHAIN.mac("record", b"film"),
    )


@pytest.mark.parametrize(
    ("said", "kept"), [("ward 3", "ward 3"), ("a\0b\nc\udcff", "a?b?c?"), ("", "-"), ("é", "é")]
)
def test_a_name_is_made_fit_for_a_database(said, kept):
    assert name(said) == kept
    assert len(name(said * 1000)) <= 200
