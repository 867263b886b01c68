"""Gradient boosting by one recipe, for every kind of prediction.

It is the same for every workload and is not tuned, so that nobody tunes it down: many small steps,
stopped when val no longer gains, as the network's training is.

References
----------
Friedman 2001, Annals of Statistics 29:1189–1232 (gradient boosting).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from medpipe.evaluation.sample import Floats

_RECIPE: dict[str, Any] = {
    "learning_rate": 0.08,
    "max_iter": 300,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 20,
    "l2_regularization": 1.0,
    "early_stopping": True,
    "n_iter_no_change": 20,
    "random_state": 0,
}


@dataclass(frozen=True)
class Fitting:
    """What trees are fitted on, stopped by, and asked for.

    Parameters
    ----------
    train, val : features (N, F) and targets (N,) or (N, L)
    asked : split → features (N, F)
    """

    train: tuple[NDArray[np.float32], NDArray[np.floating[Any]]]
    val: tuple[NDArray[np.float32], NDArray[np.floating[Any]]]
    asked: Mapping[str, NDArray[np.float32]]

    def label(self, number: int) -> Fitting:
        """The same for one of several labels, of the rows where it is known."""
        sides = []
        for shown, targets in (self.train, self.val):
            known = ~np.isnan(targets[:, number])
            sides.append((shown[known], targets[known, number]))
        return Fitting(sides[0], sides[1], self.asked)

    def classes(self) -> tuple[dict[str, Floats], int]:
        """Logits (N,) of class 1, or (N, K) of more than two classes, by split; trees in all."""
        model = self._fitted(HistGradientBoostingClassifier)
        logits = {split: model.decision_function(shown) for split, shown in self.asked.items()}
        return logits, int(model.n_iter_)

    def quantity(self) -> tuple[dict[str, Floats], int]:
        """The expected target (N,) by split; trees in all."""
        model = self._fitted(HistGradientBoostingRegressor)
        return {split: model.predict(shown) for split, shown in self.asked.items()}, model.n_iter_

    def _fitted(self, kind: Any) -> Any:
        # One thread, because several add up in an order of their own: same data, same trees.
        with threadpool_limits(1, "openmp"):
            return kind(**_RECIPE).fit(*self.train, X_val=self.val[0], y_val=self.val[1])
