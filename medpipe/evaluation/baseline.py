"""Gradient boosting on the same patients: a network that loses to it is not worth having.

It learns by the recipe of `trees` from what `Workload.features` shows it of the encoded inputs, and
nothing of it is kept but its scores.

References
----------
Grinsztajn et al. 2022, NeurIPS Datasets and Benchmarks (trees against networks on tables).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError
from medpipe.evaluation.measures.contract import Measures
from medpipe.evaluation.sample import Floats
from medpipe.evaluation.trees import Fitting
from medpipe.workload import Workload

TRAIN_MAX = 200_000
"""Most training examples; more, evenly spread over train, would cost minutes and gain little."""
_PIECE = 1024
"""Rows turned into features at once."""


@dataclass(frozen=True)
class Boosted:
    """What the baseline gives: logits by split, in the order of its rows, and how it came by them.

    Parameters
    ----------
    logits : of each split that was asked for, (N,) or (N, K)
    method : as the report words it
    examples, features : of training
    """

    logits: Mapping[str, Floats]
    method: str
    examples: int
    features: int


def boosted(
    workload: Workload,
    measures: Measures[Any],
    inputs: Mapping[str, Mapping[str, NDArray[Any]]],
    targets: Mapping[str, NDArray[np.floating[Any]]],
) -> Boosted | None:
    """Gradient boosting fitted on train, stopped on val; None where the workload has no features.

    Parameters
    ----------
    inputs : split → encoded inputs by name, (N, …) each; `train` and `val` must be there, and all
        but `train` are scored
    targets : of train and val, (N,) or (N, L)

    Raises
    ------
    DataError : features of another shape than (N, F), infinite ones, or none but nan
    """
    if workload.features({name: array[:1] for name, array in inputs["train"].items()}) is None:
        return None
    kept = _spread(len(targets["train"]))
    shown = features(workload, inputs["train"], rows=kept)
    others = {
        split: features(workload, arrays, rows=_all(arrays))
        for split, arrays in inputs.items()
        if split != "train"
    }
    known = ~np.isnan(shown).all(axis=0)  # the trees' binning fails on a column without a value
    if not known.any():
        raise DataError("Workload.features knows nothing of any training example: all is nan")
    asked = {split: found[:, known] for split, found in others.items()}
    logits, trees = measures.boost(
        Fitting((shown[:, known], targets["train"][kept]), (asked["val"], targets["val"]), asked)
    )
    method = f"histogram gradient boosting, {trees} trees, stopped on val"
    return Boosted(logits, method, len(kept), shown.shape[1])


def features(
    workload: Workload, inputs: Mapping[str, NDArray[Any]], *, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """What `Workload.features` gives for the n `rows` of `inputs` (N, …): (n, F)."""
    pieces = []
    for start in range(0, len(rows), _PIECE):
        chosen = rows[start : start + _PIECE]
        batch = {name: np.asarray(array[chosen]) for name, array in inputs.items()}
        pieces.append(_checked(workload.features(batch), rows=len(chosen)))
    return np.concatenate(pieces)


def _checked(found: NDArray[Any] | None, *, rows: int) -> NDArray[np.float32]:
    if found is None or found.ndim != 2 or len(found) != rows:
        shape = None if found is None else found.shape
        raise DataError(
            f"Workload.features gave {shape} for {rows} rows; it must give (rows, features)"
        )
    if np.isinf(found).any():
        raise DataError("Workload.features gave infinite values; what is not known is nan")
    return np.asarray(found, dtype=np.float32)


def _all(inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    return np.arange(len(next(iter(inputs.values()))))


def _spread(count: int) -> NDArray[np.int64]:
    """Numbers of at most `TRAIN_MAX` of `count` rows, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(TRAIN_MAX, count)).round().astype(np.int64))
