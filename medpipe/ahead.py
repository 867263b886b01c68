"""Work done by several threads or processes ahead of need, and handed over in its order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import chain, islice
from typing import Any, TypeVar

from medpipe.errors import StorageError

_LOOK_AHEAD = 16
"""Tasks per thread that may be done before they are used: bounds memory, and hides a slow one (a
large film in JPEG 2000 takes as long as twenty others), or that a process takes time to start."""
T = TypeVar("T")
R = TypeVar("R")
Hands = Callable[[Callable[[T], R], int], AbstractContextManager[Callable[[T], Future[R]]]]
"""Given a function and a count: so many threads or processes that take tasks for it."""
_Waiting = deque[tuple[T, Future[R]]]


def in_order(function: Callable[[T], R], tasks: Iterable[T], threads: int) -> Iterator[tuple[T, R]]:
    """Each task with its result, in the order of the tasks, computed by `threads` ahead of need.

    At most `_LOOK_AHEAD` tasks a thread are held at a time, however many there are.
    """
    with by_threads(function, threads) as take:
        yield from _kept(take, tasks, _LOOK_AHEAD * threads, _result)


def shared(
    function: Callable[[T], R], tasks: Iterable[T], *, hands: Hands[T, R], count: int
) -> Generator[R]:
    """The results, in the order of the tasks, by the caller and `count` others beside it.

    The caller does a task itself wherever it would wait, so that it is never idle while the others
    start, and alone does what is only one. Bounded as `in_order`.
    """
    tasks = iter(tasks)
    yield from map(function, tasks if count < 1 else islice(tasks, 1))
    if (second := next(tasks, None)) is None:
        return
    with hands(function, count) as take:
        rest = chain([second], tasks)
        found = _kept(take, rest, _LOOK_AHEAD * (count + 1), partial(_helped, function))
        yield from (result for _, result in found)


@contextmanager
def by_threads(function: Callable[[T], R], count: int) -> Iterator[Callable[[T], Future[R]]]:
    """Threads: for what lets go of Python's lock."""
    with ThreadPoolExecutor(count, thread_name_prefix="ahead") as pool:
        yield lambda task: pool.submit(function, task)


@contextmanager
def by_processes(function: Callable[[T], R], count: int) -> Iterator[Callable[[T], Future[R]]]:
    """Processes, each with a copy of `function`, which can be pickled: for what is Python alone.

    Raises
    ------
    StorageError : one of them was killed
    """
    context = multiprocessing.get_context("spawn")  # a fork would copy locks that others hold
    pool = ProcessPoolExecutor(count, context, initializer=_hold, initargs=(function,))
    try:
        with pool:
            yield lambda task: pool.submit(_call, task)
    except BrokenProcessPool:
        raise StorageError(
            f"one of {count} processes was killed, most often because memory ran out; what was "
            "done before stays: give the same command again"
        ) from None


def _kept(
    take: Callable[[T], Future[R]],
    tasks: Iterable[T],
    most: int,
    first: Callable[[_Waiting[T, R]], R],
) -> Iterator[tuple[T, R]]:
    """Tasks and results in order, `most` at a time under way; `first` gives that of the oldest."""
    waiting: _Waiting[T, R] = deque()
    try:
        for task in tasks:
            waiting.append((task, take(task)))
            if len(waiting) >= most:
                yield waiting[0][0], first(waiting)
                waiting.popleft()
        while waiting:
            yield waiting[0][0], first(waiting)
            waiting.popleft()
    finally:
        for _, future in waiting:
            future.cancel()


def _result(waiting: _Waiting[T, R]) -> R:
    return waiting[0][1].result()


def _helped(function: Callable[[T], R], waiting: _Waiting[T, R]) -> R:
    """The oldest result; until it is there, tasks that nobody has begun are done meanwhile."""
    for number, (task, future) in enumerate(waiting):
        if waiting[0][1].done():
            break
        if future.cancel():
            done: Future[R] = Future()
            waiting[number] = task, done
            done.set_result(function(task))
    return _result(waiting)


_function: Callable[[Any], Any]
"""Of a process that works for another one."""


def _hold(function: Callable[[Any], Any]) -> None:
    """Begin as a process that works for another one, and ends when that one does, even killed."""
    global _function
    _function = function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other one is told, and tells this one
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _call(task: Any) -> Any:
    return _function(task)


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)
