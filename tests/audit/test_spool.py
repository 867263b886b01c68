"""What waits on this machine: nothing lost, nothing twice, nothing changed unseen."""

import os

import pytest
from entries import entries

from medpipe.audit.chain import Chain
from medpipe.audit.spool import Spool
from medpipe.errors import AuditError

CHAIN = Chain(b"k" * 32)


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "audit.db.spool", CHAIN)


def drained(spool):
    found = []
    spool.drain(found.extend)
    return found


def test_what_was_put_aside_comes_back_in_order_and_once(spool):
    given = entries(5)
    spool.append(given[:2])
    spool.append(given[2:])
    assert spool.waiting() == 5
    assert drained(spool) == given
    assert (spool.waiting(), drained(spool)) == (0, [])


def test_nothing_waits_where_nothing_was_put(spool):
    assert (spool.waiting(), drained(spool)) == (0, [])


def test_it_is_forgotten_only_when_it_was_taken(spool):
    spool.append(entries(3))

    def refuse(_):
        raise AuditError("the store is down again")

    with pytest.raises(AuditError, match="down again"):
        spool.drain(refuse)
    assert len(drained(spool)) == 3


def test_a_line_that_a_kill_left_half_written_goes_and_the_next_one_is_whole(spool):
    spool.append(entries(2))
    with spool.path.open("ab") as file:
        file.write(b"half a li")
    assert spool.waiting() == 2
    spool.append(entries(1))
    assert [entry.answer_id for entry in drained(spool)] == ["answer-1", "answer-2", "answer-1"]


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda lines: [lines[0], lines[1].replace(b"ward 3", b"nobody"), lines[2]], 2),
        (lambda lines: [lines[0], lines[2]], 2),
        (lambda lines: [lines[1], lines[0], lines[2]], 1),
        (lambda lines: [lines[0], b"\n", *lines[1:]], 2),
    ],
    ids=["changed", "removed", "exchanged", "inserted"],
)
def test_a_spoiled_line_is_named_and_nothing_after_it_taken(spool, spoil, line):
    spool.append(entries(3))
    lines = spool.path.read_bytes().splitlines(keepends=True)
    spool.path.write_bytes(b"".join(spoil(lines)))
    with pytest.raises(AuditError, match=f"line {line} was changed, or lines before it"):
        drained(spool)


def test_only_its_owner_may_read_it(spool):
    spool.append(entries(1))
    assert os.stat(spool.path).st_mode & 0o777 == 0o600
