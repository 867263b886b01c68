"""Others work ahead, the caller with them, and what comes of it is as if the caller were alone."""

import os
import signal
import threading

import pytest

from medpipe.ahead import by_processes, by_threads, shared
from medpipe.errors import StorageError, UnreadableError

WAYS = pytest.mark.parametrize("hands", [by_threads, by_processes])


class Work:
    """Squares even numbers, says who did, and refuses or dies of what it is told to."""

    def __init__(self):
        self.caller = os.getpid()

    def __call__(self, task):
        if task == "refuse":
            raise UnreadableError("no good", fault="kind", problems=(("/a", "wrong"),))
        if task == "die" and os.getpid() != self.caller:
            os.kill(os.getpid(), signal.SIGKILL)
        return task, os.getpid(), threading.get_ident()


@WAYS
def test_what_others_did_comes_in_order(hands):
    found = list(shared(Work(), range(200), hands=hands, count=2))
    assert [task for task, *_ in found] == [*range(200)]
    assert len({tuple(who) for _, *who in found}) >= 2


@WAYS
def test_an_error_arrives_whole(hands):
    with pytest.raises(UnreadableError, match="no good") as told:
        list(shared(Work(), [1, *["refuse"] * 50], hands=hands, count=1))
    assert (told.value.fault, told.value.problems) == ("kind", (("/a", "wrong"),))


def test_no_more_is_taken_than_is_soon_used():
    taken = []

    def tasks():
        for n in range(200):
            taken.append(n)
            yield n

    found = shared(Work(), tasks(), hands=by_threads, count=3)
    for done, _ in enumerate(found):
        assert len(taken) - done <= 4 * 16


def test_of_one_task_nobody_else_hears():
    ((_, process, _),) = shared(Work(), [7], hands=by_processes, count=4)
    assert process == os.getpid()


def test_a_process_that_was_killed_is_told_of():
    with pytest.raises(StorageError, match="one of 1 processes was killed"):
        list(shared(Work(), ["live", *["die"] * 20], hands=by_processes, count=1))
