"""Work done by several threads ahead of need, and handed over in its order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_LOOK_AHEAD = 16
"""Tasks per thread that may be done before they are used: bounds memory, and hides a slow one (a
large film in JPEG 2000 takes as long as twenty others)."""
T = TypeVar("T")
R = TypeVar("R")


def in_order(function: Callable[[T], R], tasks: Iterable[T], threads: int) -> Iterator[tuple[T, R]]:
    """Each task with its result, in the order of the tasks, computed by `threads` ahead of need.

    At most `_LOOK_AHEAD` tasks a thread are held at a time, however many there are.
    """
    waiting: deque[tuple[T, Future[R]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="ahead") as pool:
        try:
            for task in tasks:
                waiting.append((task, pool.submit(function, task)))
                if len(waiting) >= _LOOK_AHEAD * threads:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            for _, future in waiting:
                future.cancel()
