"""The newest record that a machine has seen."""

import pytest

from medpipe.audit.chain import Chain
from medpipe.audit.head import Head
from medpipe.audit.record import START, Link
from medpipe.errors import AuditError

CHAIN = Chain(b"k" * 32)
SEVENTH = Link(7, "a" * 64)


@pytest.fixture
def head(tmp_path):
    return Head(tmp_path / "audit.db.head", CHAIN)


def test_it_is_raised_and_never_lowered_but_by_a_person(head):
    assert head.read() == START
    head.raise_to(SEVENTH)
    head.raise_to(Link(6, "b" * 64))
    assert head.read() == SEVENTH
    head.put_back(Link(3, "c" * 64))
    assert head.read() == Link(3, "c" * 64)


def test_several_processes_share_it(head):
    head.raise_to(SEVENTH)
    Head(head.path, CHAIN).raise_to(Link(8, "b" * 64))
    head.raise_to(Link(8, "c" * 64))
    assert head.read() == Link(8, "b" * 64)


@pytest.mark.parametrize("content", [b"x", b"%020d " % 1 + b"a" * 64 + b" " + b"b" * 64 + b"\n"])
def test_a_head_that_medpipe_did_not_write_is_refused(head, content):
    head.path.write_bytes(content)
    with pytest.raises(AuditError, match="was changed, or not written with this key"):
        head.read()


def test_an_empty_file_of_another_process_is_no_head_yet(head):
    head.path.touch()
    assert head.read() == START
