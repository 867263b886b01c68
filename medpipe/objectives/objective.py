"""The contract of an objective: what training and scoring know of a kind of prediction.

Importing an objective loads no torch; only `loss` needs it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError

from medpipe.columns import Column
from medpipe.errors import ParamsError

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.floating[Any]]
Rule = Literal["none", "balanced"]


class Rows(Protocol):
    """Rows of ready by column name: a frame, or a mapping."""

    def __getitem__(self, name: str, /) -> Any:
        """The values of one column, (N,)."""
        ...


Possible = dict[str, Any]
"""`{outcomes, words, coverage}`: what `serving.predictor.Possible` holds."""
Finite = Annotated[float, Field(allow_inf_nan=False)]
Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Point:
    """What turns logits into an answer: fitted on val, the same in report, release and service.

    Where an outcome is one of several, a point has `coverage` and `least`: an outcome is possible
    from its `least` probability upwards, and of the next patients who have it `coverage` are to
    find it so (`evaluation.conformal`). Before anything is calibrated everything is possible.
    """

    def as_json(self) -> dict[str, Any]:
        """Its fields, as the report and settings.json hold them; tuples are lists."""
        found: dict[str, Any] = TypeAdapter(type(self)).dump_python(self, mode="json")
        return found


class Objective(ABC):
    """A kind of prediction. Immutable; N is rows, K the network's outputs, L labels of a row.

    Parameters
    ----------
    labels : the label columns of the workload, one unless the objective takes several
    """

    name: ClassVar[str]
    selection: ClassVar[str]
    """Name of the figure that `score` gives and that picks the best epoch; higher is better."""
    operating_point: ClassVar[type[Point]]

    def __init__(self, labels: Sequence[Column] = ()) -> None:
        self.labels = tuple(labels)

    @property
    @abstractmethod
    def outputs(self) -> int:
        """K, of the network."""

    def targets_in(self, rows: Rows) -> NDArray[np.float32]:
        """`targets` of `rows` of ready by column name: those of its column ``label``."""
        return self.targets(list(rows["label"]))

    @abstractmethod
    def targets(self, labels: Sequence[Any]) -> NDArray[np.float32]:
        """What the loss compares logits with, (N,) or (N, L), from the label of each row.

        Raises
        ------
        DataError : a label is missing or outside the objective's set
        """

    def fitted(self, targets: Floats) -> Objective:
        """The objective, knowing the training `targets` where it needs to; else itself.

        Raises
        ------
        DataError : there is nothing to learn from them
        """
        return self

    @abstractmethod
    def class_weights(self, targets: Floats, rule: Rule) -> tuple[float, ...]:
        """Weight of each class in the loss, with mean 1 over `targets`.

        Raises
        ------
        DataError : a class is missing, so that nothing can be learned
        ParamsError : the objective has no classes to balance
        """

    @abstractmethod
    def loss(
        self, logits: Tensor, targets: Tensor, *, weights: Sequence[float], smoothing: float
    ) -> Tensor:
        """Mean loss, a scalar, of `logits` (B, K) against `targets` (B,) or (B, L).

        `smoothing` in 0…0.5 moves targets that far towards indifference.
        """

    @abstractmethod
    def link(self, logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
        """Probability, of the shape of `logits`; `temperature` above 1 makes it less sure.

        Where the answer is a quantity: that in standard deviations of train.
        """

    def point(self, values: Mapping[str, Any]) -> Any:
        """The `operating_point` that `Point.as_json` wrote, among other `values`.

        Raises
        ------
        ParamsError : a part of it is missing or no such number
        """
        try:
            return TypeAdapter(self.operating_point).validate_python(dict(values))
        except ValidationError as error:
            wrong = (f"{'.'.join(map(str, d['loc']))}: {d['msg']}" for d in error.errors())
            raise ParamsError("; ".join(wrong)) from None

    def answer(self, logits: Floats, point: Any) -> dict[str, Any]:
        """What the service says of one example: fields of `serving.predictor.Answer`.

        Parameters
        ----------
        logits : () or (K,), as the artefact gave them
        point : what `point` gives
        """
        return self.answer_each(np.asarray(logits)[None], point)[0]

    @abstractmethod
    def answer_each(self, logits: Floats, point: Any) -> list[dict[str, Any]]:
        """`answer` of each of several examples; `logits` (N,) or (N, K)."""

    def agrees(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """Whether two answers for one example, each of `answer` or of none, ask for the same act.

        Here: whether they decide the same.
        """
        return bool(one.get("decision") == other.get("decision"))

    @abstractmethod
    def score(self, targets: Floats, logits: Floats) -> float:
        """The figure called `selection`, of `logits` (N,) or (N, K); nan where it is undefined."""


def possible(
    names: Sequence[str], shares: Floats, *, least: Any, coverage: float
) -> list[Possible]:
    """The outcomes that cannot be ruled out, and that in words, of each of N examples.

    Parameters
    ----------
    names : of the K outcomes
    shares : (N, K), the probability of each
    least, coverage : of the operating point; `least` (K,), or one number for all
    """

    @cache  # many examples, few sets
    def said(*is_kept: bool) -> Possible:
        held = [name for name, is_there in zip(names, is_kept, strict=True) if is_there]
        words = "cannot tell" if len(held) == len(names) else " or ".join(held) or "none fits"
        return {"outcomes": held, "words": words, "coverage": coverage}

    return [said(*is_kept) for is_kept in (shares >= np.asarray(least)).tolist()]


def auroc(positive: NDArray[np.bool_], scores: Floats) -> float:
    """The chance that a positive of (N,) outscores a negative, ties half; nan without either."""
    _, rank, count = np.unique(scores, return_inverse=True, return_counts=True)
    found = np.bincount(rank, positive, len(count))
    rest = count - found
    pairs = found.sum() * rest.sum()
    won = (found * (np.cumsum(rest) - rest / 2)).sum()
    return float(won / pairs) if pairs else float("nan")


def is_number(label: Any) -> bool:
    """Whether `label` is one at all: bool and numpy's numbers are, text and None are not."""
    return isinstance(label, (bool, int, float, np.bool_, np.integer, np.floating))
