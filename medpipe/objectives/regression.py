"""A quantity: one output in standard deviations of train, squared error.

What the label's column declares impossible (a stay of −0.3 days) is never answered: answer and
range end at its limits. Truth lies within them, so the range holds it as often as without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from medpipe.columns import Column
from medpipe.errors import DataError, ParamsError
from medpipe.objectives.objective import Finite, Floats, Objective, Point, Rule, Share, is_number

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Line(Point):
    """answer = offset + scale · output ± half_width, which holds the truth in `coverage` of val.

    All but `coverage` in the label's unit. `Regression` cuts both at the column's limits.
    """

    offset: Finite
    scale: Finite
    half_width: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    coverage: Share


class Regression(Objective):
    """The expected value of the label column: ``mean + std · output``.

    Parameters
    ----------
    mean, std : of the training targets, in the label's unit; 0 and 1 until `fitted`
    """

    name = "regression"
    selection = "r2"
    operating_point = Line

    def __init__(
        self, labels: Sequence[Column] = (), *, mean: float = 0.0, std: float = 1.0
    ) -> None:
        super().__init__(labels)
        self.mean, self.std = mean, std

    @property
    def outputs(self) -> int:
        """One: the quantity."""
        return 1

    def targets(self, labels: Sequence[Any]) -> NDArray[np.float32]:
        """(N,), in the label's unit."""
        wrong = sum(not (is_number(label) and np.isfinite(label)) for label in labels)
        if wrong:
            raise DataError(
                f"{wrong} of {len(labels)} labels are not finite numbers; correct them at the "
                "source and run `medpipe stage ingest` again"
            )
        return np.asarray(labels, dtype=np.float32)

    def fitted(self, targets: Floats) -> Regression:
        """See `Objective.fitted`; with mean and standard deviation of `targets` (N,)."""
        values = np.asarray(targets, dtype=np.float64)
        if not len(values) or not values.std() > 0:
            raise DataError(
                f"the {len(values)} training rows have one and the same label; there is nothing "
                "to learn: look at the source"
            )
        return Regression(self.labels, mean=float(values.mean()), std=float(values.std()))

    def class_weights(self, targets: Floats, rule: Rule) -> tuple[float, ...]:
        """One weight for all."""
        if rule != "none":
            raise ParamsError(
                f"train.class_weights is {rule}, but a quantity has no classes; set it to none"
            )
        return (1.0,)

    def loss(
        self, logits: Tensor, targets: Tensor, *, weights: Sequence[float], smoothing: float
    ) -> Tensor:
        """Mean squared error, in variances of train; there is no certainty to smooth."""
        error = logits[:, 0].float() - (targets - self.mean) / self.std
        return error.square().mean()

    def link(self, logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
        """See `Objective.link`; the output as it is."""
        return np.asarray(logits, dtype=np.float64)

    def answer_each(self, logits: Floats, point: Line) -> list[dict[str, Any]]:
        """See `Objective.answer_each`; truth is in `low` … `high` as often as `coverage` says."""
        (label,) = self.labels
        values = self.answers(logits, point).reshape(-1)
        low, high = self.ends(values, point)
        return [
            {"value": value, "low": a, "high": b, "coverage": point.coverage, "unit": label.unit}
            for value, a, b in zip(values.tolist(), low.tolist(), high.tolist(), strict=True)
        ]

    def agrees(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """See `Objective.agrees`; here: whether each quantity lies within the other's range."""
        if "value" not in one or "value" not in other:
            return ("value" in one) == ("value" in other)
        pairs = ((one, other), (other, one))
        return all(ours["low"] <= their["value"] <= ours["high"] for ours, their in pairs)

    def answers(self, outputs: Floats, point: Line) -> NDArray[np.float64]:
        """The quantity for each of `outputs`, of their shape."""
        return self._possible(point.offset + point.scale * np.asarray(outputs, dtype=np.float64))

    def ends(self, answers: Floats, point: Line) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper end of the range around each of `answers`, of their shape."""
        low, high = (self._possible(answers + side * point.half_width) for side in (-1, 1))
        return low, high

    def _possible(self, values: Floats) -> NDArray[np.float64]:
        (label,) = self.labels
        return np.clip(values, label.low, label.high)

    def score(self, targets: Floats, logits: Floats) -> float:
        """R²: the share of the variance of `targets` that is explained; nan where there is none."""
        truth = np.asarray(targets, dtype=np.float64)
        error = truth - self.mean - self.std * self.link(logits).reshape(-1)
        variance = float(np.square(truth - truth.mean()).sum())
        return 1 - float(np.square(error).sum()) / variance if variance else float("nan")
