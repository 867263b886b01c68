"""Test examples scored once as they are and once changed, always the same ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from medpipe.evaluation.scored import Scored
from medpipe.serving.session import Judged
from medpipe.workload import Perturbation

Inputs = Mapping[str, np.ndarray]
Judge = Callable[[Inputs], Judged]

EXAMPLES = 400
"""Most examples that are changed: each change scores them all once more."""
_BATCH = 64


@dataclass(frozen=True)
class Trials:
    """At most EXAMPLES of N examples, evenly spread.

    Parameters
    ----------
    judge : inputs (B, …) → logits (B,) or (B, K), and distances (B,)
    inputs : by name, (N, …) each
    frame : N rows, as in `Scored`
    """

    judge: Judge
    inputs: Inputs
    frame: pd.DataFrame
    seed: int

    @cached_property
    def rows(self) -> np.ndarray:
        """Numbers of the examples that are looked at; none where there are none."""
        count = len(self.frame)
        chosen = np.linspace(0, count - 1, min(EXAMPLES, count)) if count else np.empty(0)
        return np.unique(chosen.astype(np.int64))

    @cached_property
    def plain(self) -> Scored:
        """As they are."""
        return self._scored(lambda batch, rng: batch)

    def changed(self, change: Perturbation) -> Scored:
        """After `change`, with the same randomness each time."""
        return self._scored(change)

    def _scored(self, change: Perturbation) -> Scored:
        rng = np.random.default_rng(self.seed)
        found = []
        for start in range(0, len(self.rows), _BATCH):
            rows = self.rows[start : start + _BATCH]
            batch = {name: np.asarray(array[rows]) for name, array in self.inputs.items()}
            found.append(self.judge(change(batch, rng)))
        logits = np.concatenate([judged.logit for judged in found])
        distances = np.concatenate([judged.distance for judged in found])
        return Scored(self.frame.iloc[self.rows], logits, distances)
