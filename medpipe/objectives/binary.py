"""Yes or no: one logit, weighted cross-entropy, logistic link."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError
from medpipe.objectives.objective import (
    Above0,
    Finite,
    Floats,
    Objective,
    Point,
    Rule,
    Share,
    auroc,
    is_number,
    possible,
)

if TYPE_CHECKING:
    from torch import Tensor

OUTCOMES = ("negative", "positive")
_NAMED = 5
"""Wrong labels that an error lists."""


@dataclass(frozen=True)
class OperatingPoint(Point):
    """risk = sigmoid(logit / temperature + intercept), flagged from the threshold upwards.

    `least` is that of `OUTCOMES`. What evaluate fits has no intercept; a recalibration gives one.
    """

    temperature: Above0
    threshold: Share
    coverage: Share = 1.0
    least: tuple[Share, Share] = (0.0, 0.0)
    intercept: Finite = 0.0

    def calibrated(self, logits: Floats) -> NDArray[np.float64]:
        """Logit of the risk, of the shape of `logits`."""
        scores: NDArray[np.float64] = np.asarray(logits, np.float64) / self.temperature
        return scores + self.intercept


class Binary(Objective):
    """One of two classes, 0 (no) and 1 (yes)."""

    name = "binary"
    selection = "auroc"
    operating_point = OperatingPoint

    @property
    def outputs(self) -> int:
        """One: the logit of yes."""
        return 1

    def targets(self, labels: Sequence[Any]) -> NDArray[np.float32]:
        """See `Objective.targets`; 0, 1, False and True are in the set."""
        wrong = Counter(
            str(label) for label in labels if not (is_number(label) and label in (0, 1))
        )
        if wrong:
            listed = ", ".join(f"{value!r} ({n} rows)" for value, n in wrong.most_common(_NAMED))
            raise DataError(
                f"{wrong.total()} of {len(labels)} labels are not 0 or 1: {listed}; correct them "
                "at the source and run `medpipe stage ingest` again"
            )
        return np.asarray(labels, dtype=np.float32)

    def class_weights(self, targets: Floats, rule: Rule) -> tuple[float, ...]:
        """See `Objective.class_weights`; "balanced" gives both classes half of the loss."""
        positives = int(np.sum(targets))
        negatives = len(targets) - positives
        if not positives or not negatives:
            raise DataError(
                f"the training rows hold {negatives} with label 0 and {positives} with label 1; a "
                "binary model needs both"
            )
        if rule == "none":
            return 1.0, 1.0
        return len(targets) / (2 * negatives), len(targets) / (2 * positives)

    def loss(
        self, logits: Tensor, targets: Tensor, *, weights: Sequence[float], smoothing: float
    ) -> Tensor:
        """See `Objective.loss`."""
        from torch.nn import functional  # delayed: the service and the command line have no torch

        weight = weights[0] + (weights[1] - weights[0]) * targets
        aim = targets * (1 - 2 * smoothing) + smoothing
        return functional.binary_cross_entropy_with_logits(logits[:, 0].float(), aim, weight)

    def link(self, logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
        """See `Objective.link`; the logistic function."""
        scaled = np.asarray(logits, dtype=np.float64) / temperature
        with np.errstate(over="ignore"):  # exp gives infinity, of which the inverse is 0
            found: NDArray[np.float64] = 1 / (1 + np.exp(-scaled))
        return found

    def answer_each(self, logits: Floats, point: OperatingPoint) -> list[dict[str, Any]]:
        """See `Objective.answer_each`; probability is that before calibration."""
        scores = point.calibrated(logits)
        shares = self.shares(scores)
        held = possible(OUTCOMES, shares, least=point.least, coverage=point.coverage)
        columns = zip(self.link(logits).tolist(), self.link(scores).tolist(), held, strict=True)
        return [
            {
                "probability": probability,
                "risk": risk,
                "decision": risk >= point.threshold,
                "threshold": point.threshold,
                "possible": outcomes,
            }
            for probability, risk, outcomes in columns
        ]

    def shares(self, scores: Floats) -> NDArray[np.float64]:
        """Probability of each of `OUTCOMES`, (…, 2), each with its own tail: 1 − risk has none.

        `scores` are logits of the risk.
        """
        return self.link(np.stack([-scores, scores], axis=-1))

    def score(self, targets: Floats, logits: Floats) -> float:
        """AUROC."""
        return auroc(np.asarray(targets) > 0, np.asarray(logits).reshape(-1))


OBJECTIVE = Binary()
