"""One of several classes: a logit for each, weighted cross-entropy, softmax."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError, ParamsError
from medpipe.objectives.objective import (
    Above0,
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


@dataclass(frozen=True)
class Temperature(Point):
    """probabilities = softmax(logits / temperature); the answer is the most probable class.

    `least` is in the order of the classes.
    """

    temperature: Above0
    coverage: Share = 1.0
    least: tuple[Share, ...] = ()


class Multiclass(Objective):
    """One of K classes: the label column's values, or its whole numbers from low to high."""

    name = "multiclass"
    selection = "auroc"
    operating_point = Temperature

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the K classes, in the order of the logits.

        Raises
        ------
        ParamsError : the label column states neither values nor a range of whole numbers
        """
        (label,) = self.labels
        if label.values:
            return label.values
        if label.dtype != "int" or label.low is None or label.high is None:
            raise ParamsError(
                f"label column {label.name} states no classes; give it values, or dtype int with "
                "low and high"
            )
        return tuple(str(number) for number in range(int(label.low), int(label.high) + 1))

    @property
    def outputs(self) -> int:
        """One logit per class."""
        return len(self.classes)

    def targets(self, labels: Sequence[Any]) -> NDArray[np.float32]:
        """Number of each row's class, 0…K−1."""
        number = {name: index for index, name in enumerate(self.classes)}
        spoken = [str(int(x)) if is_number(x) and x == x else x for x in labels]
        wrong = sum(label not in number for label in spoken)
        if wrong:
            raise DataError(
                f"{wrong} of {len(labels)} labels are none of {', '.join(self.classes)}; correct "
                "them at the source and run `medpipe stage ingest` again"
            )
        return np.array([number[label] for label in spoken], dtype=np.float32)

    def class_weights(self, targets: Floats, rule: Rule) -> tuple[float, ...]:
        """See `Objective.class_weights`; "balanced" gives every class the same part of the loss."""
        counts = Counter(np.asarray(targets).astype(int).tolist())
        missing = [name for index, name in enumerate(self.classes) if not counts[index]]
        if missing:
            raise DataError(
                f"the {len(targets)} training rows hold no example of {', '.join(missing)}; add "
                "patients, or take the class out of the label column"
            )
        if rule == "none":
            return (1.0,) * self.outputs
        return tuple(len(targets) / (self.outputs * counts[k]) for k in range(self.outputs))

    def loss(
        self, logits: Tensor, targets: Tensor, *, weights: Sequence[float], smoothing: float
    ) -> Tensor:
        """See `Objective.loss`; what smoothing takes goes to the other classes in equal parts."""
        import torch  # delayed: the service and the command line have no torch

        chosen = targets.long()
        aim = torch.full_like(logits, smoothing / (self.outputs - 1), dtype=torch.float32)
        aim.scatter_(1, chosen[:, None], 1 - smoothing)
        entropy = -(aim * torch.log_softmax(logits.float(), dim=1)).sum(1)  # (B,)
        weight = torch.tensor(weights, dtype=torch.float32, device=logits.device)
        return (weight[chosen] * entropy).mean()

    def link(self, logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
        """See `Objective.link`; each row sums to 1."""
        scaled = np.asarray(logits, dtype=np.float64) / temperature
        power = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
        shares: NDArray[np.float64] = power / power.sum(axis=-1, keepdims=True)
        return shares

    def point(self, values: Mapping[str, Any]) -> Temperature:
        """See `Objective.point`; a `least` for each class, or none at all."""
        found: Temperature = super().point(values)
        if len(found.least) not in (0, self.outputs):
            raise ParamsError(f"least: {len(found.least)} numbers for {self.outputs} classes")
        return found

    def answer_each(self, logits: Floats, point: Temperature) -> list[dict[str, Any]]:
        """See `Objective.answer_each`; each class with its calibrated probability, in order."""
        shares = self.link(logits, point.temperature)
        held = possible(self.classes, shares, least=point.least or 0.0, coverage=point.coverage)
        best = np.argmax(shares, axis=-1).tolist()
        return [
            {
                "decision": self.classes[k],
                "classes": [
                    {"name": name, "probability": share}
                    for name, share in zip(self.classes, each, strict=True)
                ],
                "possible": outcomes,
            }
            for k, each, outcomes in zip(best, shares.tolist(), held, strict=True)
        ]

    def score(self, targets: Floats, logits: Floats) -> float:
        """Mean AUROC of each class against the rest; classes without a row are left out."""
        truth, shares = np.asarray(targets), self.link(logits)
        found = np.array([auroc(truth == k, shares[:, k]) for k in range(self.outputs)])
        known = found[~np.isnan(found)]
        return float(known.mean()) if len(known) else float("nan")
