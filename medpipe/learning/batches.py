"""Which rows each step of a training sees: a function of seed, epoch and step, and of nothing else.

So a training that was killed goes on with the very batch that it would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medpipe.errors import DataError

Indices = NDArray[np.int64]
Batch = tuple[tuple[Tensor, ...], Tensor]
"""Inputs in the order of the network's arguments, each (B, …), and targets (B,)."""


@dataclass(frozen=True)
class Rows:
    """One split as arrays, usually memory maps; N rows.

    Parameters
    ----------
    inputs : by name, in the order of the network's arguments, each (N, …)
    targets : (N,)

    Raises
    ------
    DataError : no rows, or inputs and targets differ in number
    """

    inputs: Mapping[str, NDArray[Any]]
    targets: NDArray[np.float32]

    def __post_init__(self) -> None:
        counts = {name: len(array) for name, array in self.inputs.items()}
        if not len(self.targets) or any(count != len(self) for count in counts.values()):
            raise DataError(
                f"{len(self)} targets for inputs with {counts} rows; a split needs rows, and as "
                "many of each: run `medpipe stage preprocess` again, or change section split"
            )

    def __len__(self) -> int:
        return len(self.targets)

    def at(self, rows: Indices) -> Batch:
        """The rows numbered `rows` (B,), in that order, read whole from each array.

        They are read in the order of the file, which is kind to disks, and put back: a network of
        several members gives each a part of the batch, and were it sorted, always the same part of
        the patients.
        """
        order = np.argsort(rows)
        place = np.argsort(order)
        inputs = tuple(
            torch.from_numpy(np.asarray(array)[rows[order]][place])
            for array in self.inputs.values()
        )
        return inputs, torch.from_numpy(self.targets[rows])


def plan(count: int, *, batch_size: int, seed: int, epoch: int) -> list[Indices]:
    """The batches of one epoch: a permutation of `count` rows in nearly equal pieces.

    Pieces differ by one row at most and are at most about `batch_size` long, so that no row is left
    out and no last batch is so small that batch normalisation stumbles over it.
    """
    order = np.random.default_rng((seed, epoch)).permutation(count)
    return np.array_split(order, max(1, round(count / batch_size)))


def fetched(rows: Rows, batches: Sequence[Indices], *, pinned: bool = False) -> Iterator[Batch]:
    """`batches` of `rows`, the next one being read while the caller works on the last.

    Parameters
    ----------
    pinned : in memory from which a GPU copies by itself, while the processor goes on
    """

    def read(batch: Indices) -> Batch:
        inputs, targets = rows.at(batch)
        if not pinned:
            return inputs, targets
        return tuple(each.pin_memory() for each in inputs), targets.pin_memory()

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="fetch") as reader:
        ahead = None
        for batch in batches:
            upcoming = reader.submit(read, batch)
            if ahead is not None:
                yield ahead.result()
            ahead = upcoming
        if ahead is not None:
            yield ahead.result()
