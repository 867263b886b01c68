"""Which rows each step sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medpipe.errors import DataError
from medpipe.learning.batches import Rows, fetched, plan


@pytest.mark.parametrize(("count", "size"), [(100, 32), (7, 32), (97, 10), (64, 64), (5, 1)])
def test_every_row_comes_once_an_epoch_in_nearly_equal_batches(count: int, size: int) -> None:
    batches = plan(count, batch_size=size, seed=1, epoch=0)
    assert sorted(np.concatenate(batches).tolist()) == list(range(count))
    sizes = [len(batch) for batch in batches]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= 1.5 * size


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(plan(50, batch_size=8, seed=seed, epoch=epoch)).tolist()

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4


def test_batches_hold_the_rows_of_the_plan_in_its_order() -> None:
    rows = Rows({"x": np.arange(20).reshape(10, 2)}, np.arange(10, dtype=np.float32))
    batches = list(fetched(rows, [np.array([7, 2, 5]), np.array([0])]))
    (first,), targets = batches[0]
    assert torch.equal(first, torch.tensor([[14, 15], [4, 5], [10, 11]]))
    assert targets.tolist() == [7, 2, 5]
    assert batches[1][1].tolist() == [0]
    assert list(fetched(rows, [])) == []


def test_each_part_of_a_batch_holds_every_row_in_some_epoch() -> None:
    """A network of several members teaches each with its own part: it must not know a few alone."""
    rows = Rows({"x": np.arange(40)}, np.zeros(40, dtype=np.float32))
    seen: list[set[int]] = [set(), set()]
    for epoch in range(40):
        for (x,), _ in fetched(rows, plan(40, batch_size=8, seed=1, epoch=epoch)):
            for found, part in zip(seen, x.tensor_split(2), strict=True):
                found.update(part.tolist())
    assert seen == [set(range(40)), set(range(40))]


@pytest.mark.parametrize("inputs", [0, 3])
def test_inputs_and_targets_of_different_number_are_refused(inputs: int) -> None:
    with pytest.raises(DataError, match=rf"2 targets for inputs with \{{'x': {inputs}\}} rows"):
        Rows({"x": np.zeros((inputs, 1))}, np.zeros(2, dtype=np.float32))


def test_no_rows_are_refused() -> None:
    with pytest.raises(DataError, match="0 targets"):
        Rows({}, np.zeros(0, dtype=np.float32))
