"""Batches form by themselves, and nobody pays for a neighbour."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from medpipe.errors import OverloadedError
from medpipe.serving.batching import Batcher, Places


class Doubling:
    """Doubles numbers; holds the first batch until it is let go, refuses negative ones."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, items):
        self.batches.append(list(items))
        assert self.go.wait(5)
        if min(items) < 0:
            raise ValueError(f"{min(items)} is negative")
        return [2 * item for item in items]


@pytest.fixture
def doubling():
    return Doubling()


def batcher(run, batch_max=4):
    return Batcher(run, executor=ThreadPoolExecutor(1), batch_max=batch_max)


async def started(calls):
    """The calls as tasks, the first of which has reached the model and is held there."""
    tasks = [asyncio.create_task(call) for call in calls]
    await asyncio.sleep(0.05)
    return tasks


def test_what_waits_while_the_model_runs_goes_in_together(doubling):
    async def scene():
        ask = batcher(doubling)
        tasks = await started([ask(number) for number in (1,)])
        tasks += await started([ask(number) for number in (2, 3, 4, 5, 6)])
        doubling.go.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(scene()) == [2, 4, 6, 8, 10, 12]
    assert doubling.batches == [[1], [2, 3, 4, 5], [6]]


def test_a_lone_client_waits_for_nobody(doubling):
    async def scene():
        doubling.go.set()
        ask = batcher(doubling)
        return [await asyncio.wait_for(ask(number), 1) for number in (1, 2, 3)]

    assert asyncio.run(scene()) == [2, 4, 6]
    assert doubling.batches == [[1], [2], [3]]


def test_a_bad_item_does_not_fail_its_neighbours(doubling):
    async def scene():
        doubling.go.set()
        ask = batcher(doubling)
        return await asyncio.gather(*map(ask, (1, -2, 3)), return_exceptions=True)

    first, bad, last = asyncio.run(scene())
    assert (first, last) == (2, 6)
    assert str(bad) == "-2 is negative"


def test_who_goes_away_while_waiting_is_not_run(doubling):
    async def scene():
        ask = batcher(doubling)
        (first,) = await started([ask(1)])
        gone, kept = await started([ask(2), ask(3)])
        gone.cancel()
        doubling.go.set()
        return await asyncio.gather(first, gone, kept, return_exceptions=True)

    first, gone, kept = asyncio.run(scene())
    assert (first, kept) == (2, 6)
    assert isinstance(gone, asyncio.CancelledError)
    assert doubling.batches == [[1], [3]]


def test_who_goes_away_while_its_batch_runs_disturbs_nobody(doubling):
    async def scene():
        ask = batcher(doubling)
        (gone,) = await started([ask(1)])
        gone.cancel()
        doubling.go.set()
        return await ask(2)

    assert asyncio.run(scene()) == 4


def test_one_more_than_the_places_is_told_to_come_back():
    places = Places(2, held_limit=100)
    with places.one(), places.one():
        with pytest.raises(OverloadedError, match="2 requests"), places.one():
            pytest.fail("there was no place")
        assert places.taken == 2
    assert places.taken == 0


def test_uploads_together_hold_no_more_than_the_limit_and_give_it_back():
    places = Places(9, held_limit=100)
    with places.one() as first:
        first.hold(60)
        with places.one() as second:
            second.hold(40)
            with pytest.raises(OverloadedError, match="hold"):
                second.hold(1)
        first.hold(40)
    assert places.held == 0


def test_a_request_that_is_alone_may_hold_more_than_the_limit():
    with Places(9, held_limit=100).one() as alone:
        alone.hold(99)
        alone.hold(99)
