"""Records that nobody should answer: what goes wrong between a hospital's table and a request.

The evaluation asks whether the model would notice; see `Workload.foreign`. All of it happens to
encoded inputs, where 1 is a standard deviation of the training data.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from medpipe.workload import Perturbation

_FAR = 5.0
"""Standard deviations; a slipped decimal point or another unit goes farther still."""


def of_table(*, numbers: str, known: str, codes: str) -> Mapping[str, Perturbation]:
    """Foreign rows of a table, whose inputs have these names; see `medpipe.nn.build_table`."""
    return {
        "numbers in each other's places": lambda batch, rng: {
            **batch,
            **{name: np.roll(batch[name], 1, axis=-1) for name in (numbers, known)},
        },
        "numbers five standard deviations out": lambda batch, rng: {
            **batch,
            numbers: _out(batch[numbers], rng),
            known: np.ones_like(batch[known]),
        },
        "codes at random": lambda batch, rng: {
            **batch,
            codes: (rng.random(batch[codes].shape) * (1 + batch[codes].max(axis=0))).astype(
                batch[codes].dtype
            ),
        },
        "every field of another patient": lambda batch, rng: _mixed(batch, rng),
    }


def of_series(*, values: str, measured: str) -> Mapping[str, Perturbation]:
    """Foreign series, whose inputs (B, T, V) have these names; see `medpipe.nn.build_series`."""
    return {
        "series in each other's places": lambda batch, rng: {
            **batch,
            **{name: np.roll(batch[name], 1, axis=-1) for name in (values, measured)},
        },
        "values five standard deviations out": lambda batch, rng: {
            **batch,
            values: _out(batch[values], rng) * (batch[measured] > 0).astype(np.float32),
        },
        "every hour measured, at random": lambda batch, rng: {
            **batch,
            values: rng.normal(size=batch[values].shape).astype(np.float32),
            measured: np.ones_like(batch[measured]),
        },
        "every series of another patient": lambda batch, rng: _mixed(batch, rng),
    }


def _out(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random(array.shape) < 0.5, -_FAR, _FAR).astype(array.dtype)


def _mixed(batch: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Each last axis' place drawn from the batch by itself; what is of one place stays together."""
    orders: dict[int, np.ndarray] = {}
    mixed = {}
    for name, array in batch.items():
        rows, places = len(array), array.shape[-1]
        if places not in orders:  # numbers and what is known of them have as many
            orders[places] = np.stack([rng.permutation(rows) for _ in range(places)])
        mixed[name] = np.stack([array[order, ..., p] for p, order in enumerate(orders[places])], -1)
    return mixed
