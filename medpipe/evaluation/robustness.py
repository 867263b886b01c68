"""What the main metric loses when the data come from a worse device than the test set's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from medpipe.evaluation.measures.contract import Measures
from medpipe.evaluation.sample import Floats
from medpipe.evaluation.scored import Scored
from medpipe.objectives.objective import Point
from medpipe.sections import EvaluateParams

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
    measures: Measures[Any],
    frame: pd.DataFrame,
    point: Point,
    params: EvaluateParams,
) -> list[dict[str, Any]]:
    """The main metric under each of `changes`, and what it loses on the same examples.

    Parameters
    ----------
    changes : name → change of a batch; `Workload.perturb`
    score : inputs (B, …) → logits (B,) or (B, K)
    inputs : by name, (N, …) each; at most EXAMPLES rows, evenly spread, are looked at
    frame : N rows, as in `Scored`

    Returns
    -------
    [{change, examples, <main>: value of the changed, gain: {difference, low, high}}], where the
    difference is changed minus unchanged; nothing where there are no changes
    """
    if not changes or frame.empty:
        return []
    rows = np.unique(np.linspace(0, len(frame) - 1, min(EXAMPLES, len(frame))).astype(np.int64))

    def scored(change: Change | None) -> Scored:
        logits = _scores(score, inputs, rows, change=change, seed=params.seed)
        return Scored(frame.iloc[rows], logits)

    plain = scored(None)
    found = []
    for name, change in changes.items():
        paired = measures.paired(measures.main, (scored(change), point), (plain, point), params)
        gain = {key: paired[key] for key in ("difference", "low", "high")}
        known = {"change": name, "examples": len(rows), measures.main: paired["candidate"]}
        found.append(known | {"gain": gain})
    return found


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
    return np.concatenate(found)
