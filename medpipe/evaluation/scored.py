"""One split with what the artefact gave for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medpipe.errors import DataError
from medpipe.evaluation.sample import Floats, Sample
from medpipe.objectives.binary import Binary, OperatingPoint


@dataclass(frozen=True)
class Scored:
    """One split, scored.

    Parameters
    ----------
    frame : N rows; example, group, label, site and covariates
    logits : (N,), or (N, K) where the network has several outputs, in the order of `frame`
    distances : (N,), from the training data; None where the model says nothing of that
    directions : (N, K), as `Judged` has them; None where the model says nothing of that
    """

    frame: pd.DataFrame
    logits: Floats
    distances: Floats | None = None
    directions: Floats | None = None

    def __post_init__(self) -> None:
        """Refuse logits that cannot belong to these rows."""
        if len(self.logits) != len(self.frame):
            raise DataError(
                f"{len(self.logits)} logits for {len(self.frame)} examples; score the split again"
            )
        given = {"logits": self.logits, "distances": self.distances}
        for what, values in given.items():
            if values is not None and (wrong := int((~np.isfinite(values)).sum())):
                raise DataError(
                    f"{wrong} of {np.size(values)} {what} are not finite: the artefact is broken; "
                    "train with a lower learning rate, or export again"
                )

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Scored:
        """The rows where `chosen` (N,) is True."""
        distances = None if self.distances is None else self.distances[chosen]
        directions = None if self.directions is None else self.directions[chosen]
        return Scored(self.frame[chosen], self.logits[chosen], distances, directions)

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def groups(self) -> NDArray[np.int64]:
        """Number of each row's group, (N,), 0…G−1."""
        _, codes = np.unique(self.frame["group"].to_numpy(), return_inverse=True)
        return codes.astype(np.int64)

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) of 0 and 1, where the label is yes or no."""
        return self.frame["label"].to_numpy().astype(np.int64)

    def probabilities(self, point: OperatingPoint) -> Floats:
        """(N,), as the service would answer a yes-or-no question at `point`."""
        return Binary().link(point.calibrated(self.logits))

    def sample(self, point: OperatingPoint) -> Sample:
        """Sorted and coded, for the metrics of a yes-or-no question."""
        scores = self.probabilities(point)
        return Sample.of(self.labels, scores, self.frame["group"].to_numpy())
