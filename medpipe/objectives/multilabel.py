"""Several yes-or-no labels of one example, each known or not: binary, label by label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medpipe.columns import Column
from medpipe.errors import DataError, ParamsError
from medpipe.objectives.binary import OUTCOMES, Binary
from medpipe.objectives.objective import (
    Above0,
    Finite,
    Floats,
    Objective,
    Point,
    Rows,
    Rule,
    Share,
    auroc,
    is_number,
    possible,
)

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Points(Point):
    """risk = sigmoid(logit / temperature + intercept) of each label, flagged from its threshold.

    All but `coverage` in the order of the labels; `least` is that of `binary.OUTCOMES` for each.
    Without `intercepts` each is 0.
    """

    temperatures: tuple[Above0, ...]
    thresholds: tuple[Share, ...]
    coverage: Share = 1.0
    least: tuple[tuple[Share, Share], ...] = ()
    intercepts: tuple[Finite, ...] = ()

    def calibrated(self, logits: Floats) -> NDArray[np.float64]:
        """Logit of each label's risk, of the shape of `logits`, (L,) or (N, L)."""
        scores: NDArray[np.float64] = np.asarray(logits, np.float64) / np.array(self.temperatures)
        scores += np.array(self.intercepts or 0.0)
        return scores


class Multilabel(Objective):
    """L labels of 0 or 1; one that is not known (nan) takes no part in loss and figures."""

    name = "multilabel"
    selection = "auroc"
    operating_point = Points

    @property
    def outputs(self) -> int:
        """One logit per label."""
        return len(self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the labels, in the order of the logits."""
        return tuple(label.name for label in self.labels)

    def targets_in(self, rows: Rows) -> NDArray[np.float32]:
        """See `Objective.targets_in`; from the columns of all labels."""
        return self.targets(list(zip(*(rows[name] for name in self.names), strict=True)))

    def targets(self, labels: Sequence[Any]) -> NDArray[np.float32]:
        """(N, L) of 0, 1 and nan, from a sequence of L labels for each row; None is nan."""
        known = [
            [np.nan if x is None or x != x else x if _is_answer(x) else -1.0 for x in row]
            for row in labels
        ]
        found = np.array(known, dtype=np.float32).reshape(len(labels), self.outputs)
        counts = dict(zip(self.names, (found < 0).sum(0), strict=True))
        wrong = [f"{name} ({count} rows)" for name, count in counts.items() if count]
        if wrong:
            raise DataError(
                f"labels other than 0 and 1 stand in {', '.join(wrong)}; correct them at the "
                "source and run `medpipe stage ingest` again"
            )
        return found

    def class_weights(self, targets: Floats, rule: Rule) -> tuple[float, ...]:
        """Weights of 0 for each label, then of 1 for each: (2L,)."""
        columns = zip(self.names, targets.T, strict=True)
        pairs = [self._pair(name, column, rule) for name, column in columns]
        return tuple(no for no, _ in pairs) + tuple(yes for _, yes in pairs)

    def _pair(self, name: str, column: Floats, rule: Rule) -> tuple[float, ...]:
        try:
            return Binary().class_weights(column[~np.isnan(column)], rule)
        except DataError as error:
            raise DataError(f"label {name}: {error}") from None

    def loss(
        self, logits: Tensor, targets: Tensor, *, weights: Sequence[float], smoothing: float
    ) -> Tensor:
        """See `Objective.loss`; the mean over what is known, 0 where nothing is."""
        import torch  # delayed: the service and the command line have no torch

        known = ~torch.isnan(targets)
        truth = torch.nan_to_num(targets)
        no, yes = torch.tensor(weights, device=logits.device).reshape(2, -1)  # (L,) each
        entropy = torch.nn.functional.binary_cross_entropy_with_logits(
            logits.float(),
            truth * (1 - 2 * smoothing) + smoothing,
            (no + (yes - no) * truth) * known,
            reduction="sum",
        )
        return entropy / known.sum().clamp(min=1)

    def link(self, logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
        """See `Objective.link`; the logistic function."""
        return Binary().link(logits, temperature)

    def risks(self, logits: Floats, point: Points) -> NDArray[np.float64]:
        """Calibrated risk of each label, of the shape of `logits`, (L,) or (N, L)."""
        return self.shares(logits, point)[..., 1]

    def shares(self, logits: Floats, point: Points) -> NDArray[np.float64]:
        """Probability of each of `binary.OUTCOMES` of each label, (…, L, 2)."""
        return Binary().shares(point.calibrated(logits))

    def point(self, values: Mapping[str, Any]) -> Points:
        """See `Objective.point`; one of each for each label; of some, none at all."""
        found: Points = super().point(values)
        for name in ("temperatures", "thresholds", "least", "intercepts"):
            count = len(getattr(found, name))
            if count != self.outputs and (count or name in ("temperatures", "thresholds")):
                raise ParamsError(f"{name}: {count} numbers for {self.outputs} labels")
        return found

    def answer_each(self, logits: Floats, point: Points) -> list[dict[str, Any]]:
        """See `Objective.answer_each`; every label with its calibrated risk, in their order."""
        shares = self.shares(logits, point)  # (N, L, 2)
        least = np.broadcast_to(np.array(point.least or 0.0), shares.shape[1:])
        columns = [
            self._label_each(label, threshold, each, least=low, coverage=point.coverage)
            for label, threshold, each, low in zip(
                self.labels, point.thresholds, np.moveaxis(shares, 1, 0), least, strict=True
            )
        ]
        return [{"labels": list(labels)} for labels in zip(*columns, strict=True)]

    def _label_each(
        self, label: Column, threshold: float, shares: Floats, *, least: Floats, coverage: float
    ) -> list[dict[str, Any]]:
        held = possible(OUTCOMES, shares, least=least, coverage=coverage)
        return [
            {
                "name": label.name,
                "meaning": label.meaning,
                "risk": risk,
                "threshold": threshold,
                "decision": risk >= threshold,
                "possible": outcomes,
            }
            for risk, outcomes in zip(shares[:, 1].tolist(), held, strict=True)
        ]

    def agrees(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """See `Objective.agrees`; here: whether they decide the same of every label."""
        mine, theirs = ([label["decision"] for label in x.get("labels", [])] for x in (one, other))
        return mine == theirs

    def score(self, targets: Floats, logits: Floats) -> float:
        """Mean AUROC of the labels; those without both classes are left out."""
        columns = np.asarray(logits).reshape(-1, self.outputs).T
        pairs = zip(np.asarray(targets).T, columns, strict=True)
        found = np.array([auroc(t[~np.isnan(t)] > 0, x[~np.isnan(t)]) for t, x in pairs])
        known = found[~np.isnan(found)]
        return float(known.mean()) if len(known) else float("nan")


def _is_answer(label: Any) -> bool:
    return is_number(label) and label in (0, 1)
