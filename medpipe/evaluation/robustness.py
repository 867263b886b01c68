"""What the AUROC loses when the scanner is noisier, flatter or less sharp than the test set's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from medpipe.evaluation.compare import paired
from medpipe.evaluation.sample import Floats

Inputs = Mapping[str, np.ndarray]
Change = Callable[[dict[str, np.ndarray], np.random.Generator], dict[str, np.ndarray]]

EXAMPLES = 400
"""Most test examples that are changed: each change scores them all once more."""
_BATCH = 64


def robustness(
    changes: Mapping[str, Change],
    score: Callable[[Inputs], Floats],
    inputs: Inputs,
    *,
    labels: np.ndarray,
    groups: np.ndarray,
    confidence: float,
    seed: int,
) -> list[dict[str, Any]]:
    """The AUROC under each of `changes`, and what it loses on the same examples.

    Parameters
    ----------
    changes : name → change of a batch; `Workload.perturb`
    score : inputs (B, …) → logits (B,)
    inputs : by name, (N, …) each; at most EXAMPLES rows, evenly spread, are looked at

    Returns
    -------
    [{change, examples, auroc: value of the changed, gain: {difference, low, high}}], where the
    difference is changed minus unchanged: below 0 is a loss; nothing where there are no changes
    """
    if not changes or not len(labels):
        return []
    rows = np.unique(np.linspace(0, len(labels) - 1, min(EXAMPLES, len(labels))).astype(np.int64))
    plain = _scores(score, inputs, rows, change=None, seed=seed)
    return [
        {"change": name, "examples": len(rows)}
        | _lost(labels[rows], groups[rows], changed, plain, confidence=confidence)
        for name, change in changes.items()
        for changed in [_scores(score, inputs, rows, change=change, seed=seed)]
    ]


def _scores(
    score: Callable[[Inputs], Floats],
    inputs: Inputs,
    rows: np.ndarray,
    *,
    change: Change | None,
    seed: int,
) -> Floats:
    rng = np.random.default_rng(seed)
    found = []
    for start in range(0, len(rows), _BATCH):
        batch = {
            name: np.asarray(array[rows[start : start + _BATCH]]) for name, array in inputs.items()
        }
        found.append(score(batch if change is None else change(batch, rng)))
    return _ranks(np.concatenate(found))


def _ranks(logits: Floats) -> Floats:
    """Logits as numbers in 0…1 in the same order, which is all that an AUROC looks at."""
    _, place = np.unique(logits, return_inverse=True)
    ranks: Floats = place / max(int(place.max()), 1)
    return ranks


def _lost(
    labels: np.ndarray, groups: np.ndarray, changed: Floats, plain: Floats, *, confidence: float
) -> dict[str, Any]:
    found = paired(labels, groups, changed, plain, confidence=confidence)
    difference = {key: found[key] for key in ("difference", "low", "high")}
    return {"auroc": found["candidate"], "gain": difference}
