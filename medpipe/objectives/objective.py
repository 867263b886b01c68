"""The contract of an objective: what training and scoring know of a kind of prediction.

Importing an objective loads no torch; only `loss` needs it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.floating[Any]]
Rule = Literal["none", "balanced"]


class Objective(ABC):
    """A kind of prediction. Stateless; N is rows, K the network's outputs."""

    name: ClassVar[str]
    outputs: ClassVar[int]
    """K, of the network."""
    selection: ClassVar[str]
    """Name of the figure that `score` gives and that picks the best epoch; higher is better."""

    @abstractmethod
    def targets(self, labels: Sequence[Any]) -> NDArray[np.float32]:
        """What the loss compares logits with, (N,), from the label column of raw.

        Raises
        ------
        DataError : a label is missing or outside the objective's set
        """

    @abstractmethod
    def class_weights(self, targets: Floats, rule: Rule) -> tuple[float, ...]:
        """Weight of each class in the loss, with mean 1 over `targets`.

        Raises
        ------
        DataError : a class is missing, so that nothing can be learned
        """

    @abstractmethod
    def loss(
        self, logits: Tensor, targets: Tensor, *, weights: Sequence[float], smoothing: float
    ) -> Tensor:
        """Mean loss, a scalar, of `logits` (B, K) against `targets` (B,).

        `smoothing` in 0…0.5 moves targets that far towards indifference.
        """

    @abstractmethod
    def link(self, logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
        """Probability, of the shape of `logits`; `temperature` above 1 makes it less sure."""

    @abstractmethod
    def score(self, targets: Floats, logits: Floats) -> float:
        """The figure called `selection`, of `logits` (N,) or (N, K); nan where it is undefined."""
