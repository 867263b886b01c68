"""Adaptive batches in front of a model: whatever waits when the model is free goes in together.

Nothing ever waits for company. One client is answered at the speed of the model; under load the
batches grow by themselves, because more has arrived while the last batch ran.

Why not BentoML's dispatcher (``@bentoml.api(batchable=True)``, release 1.4.39): it batches
arguments of BentoML's own routes, so a file would have to be decoded inside the batch, one after
the other and with one broken file failing all its neighbours; it learns how long to wait from the
traffic and cancels what it expects to be later than ``max_latency_ms`` (at 50 ms and 32 clients
half of all requests were refused); its queue has no bound; it polls every millisecond; and its
routes write the rejected input into the log. Here decoding runs in threads before the batch, each
for its own request.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from medpipe.errors import OverloadedError

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class Places:
    """How many requests may be under way at once, and how many bytes of uploads they may hold.

    Parameters
    ----------
    limit : requests, from the first byte to the answer
    held_limit : bytes over all of them; a request that is alone may hold more
    """

    limit: int
    held_limit: int
    taken: int = field(default=0, init=False)
    held: int = field(default=0, init=False)

    @contextmanager
    def one(self) -> Iterator[Place]:
        """A place for the length of the block.

        Raises
        ------
        OverloadedError : all are taken
        """
        if self.taken >= self.limit:
            raise OverloadedError(
                f"{self.taken} requests are being answered, which is the limit; try again soon"
            )
        place = Place(self)
        self.taken += 1
        try:
            yield place
        finally:
            self.taken -= 1
            self.held -= place.held


@dataclass
class Place:
    """One of `Places`."""

    places: Places
    held: int = field(default=0, init=False)

    def hold(self, count: int) -> None:
        """Account for `count` more bytes, until the place is given back.

        Raises
        ------
        OverloadedError : with those of the others they are too many
        """
        others = self.places.held - self.held
        if others and self.places.held + count > self.places.held_limit:
            raise OverloadedError(
                f"the uploads under way hold {self.places.held >> 20} MiB; try again soon"
            )
        self.held += count
        self.places.held += count


class Batcher(Generic[T, R]):
    """Runs `run` in `executor` on up to `batch_max` items at a time, one batch after the other.

    Lives in one event loop. A caller that is cancelled while waiting leaves the queue; one that is
    cancelled while its batch runs loses its result and disturbs nobody. If a batch fails, each of
    its items runs alone, so that only the bad one fails.

    Parameters
    ----------
    run : results of the items, in the same number and order; called in `executor`
    batch_max : most items in one call
    """

    def __init__(
        self, run: Callable[[Sequence[T]], Sequence[R]], *, executor: Executor, batch_max: int
    ) -> None:
        self._run = run
        self._executor = executor
        self._batch_max = batch_max
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._working: asyncio.Task[None] | None = None

    async def __call__(self, item: T) -> R:
        """The result of `item`; raises what `run` raised for it."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        try:
            while batch := self._next():
                await self._answer(batch)
        finally:
            self._working = None

    def _next(self) -> list[tuple[T, asyncio.Future[R]]]:
        batch: list[tuple[T, asyncio.Future[R]]] = []
        while self._waiting and len(batch) < self._batch_max:
            item, future = self._waiting.popleft()
            if not future.done():  # done here means: its caller went away
                batch.append((item, future))
        return batch

    async def _answer(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        outcome = await _settled(self._call([item for item, _ in batch]))
        if isinstance(outcome, BaseException) and len(batch) > 1:
            for pair in batch:
                await self._answer([pair])
            return
        for position, (_, future) in enumerate(batch):
            if future.done():
                continue
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome[position])

    def _call(self, items: list[T]) -> Awaitable[Sequence[R]]:
        return asyncio.get_running_loop().run_in_executor(self._executor, self._run, items)


async def _settled(awaitable: Awaitable[Sequence[R]]) -> Sequence[R] | BaseException:
    """The result, or the error as a value: it belongs to the item's caller, not to the loop."""
    (outcome,) = await asyncio.gather(awaitable, return_exceptions=True)
    return outcome
