"""One split with what the artefact gave for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medpipe.errors import DataError
from medpipe.evaluation import calibration
from medpipe.evaluation.sample import Floats, Sample


@dataclass(frozen=True)
class Scored:
    """One split, scored.

    Parameters
    ----------
    frame : N rows; example, group, label, site and covariates
    logits : (N,), or (N, K) where the network has several outputs, in the order of `frame`
    """

    frame: pd.DataFrame
    logits: Floats

    def __post_init__(self) -> None:
        """Refuse logits that cannot belong to these rows."""
        if len(self.logits) != len(self.frame):
            raise DataError(
                f"{len(self.logits)} logits for {len(self.frame)} examples; score the split again"
            )
        wrong = int((~np.isfinite(self.logits)).sum())
        if wrong:
            raise DataError(
                f"{wrong} of {np.size(self.logits)} logits are not finite: the artefact is broken; "
                "train with a lower learning rate, or export again"
            )

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Scored:
        """The rows where `chosen` (N,) is True."""
        return Scored(self.frame[chosen], self.logits[chosen])

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

    def probabilities(self, temperature: float) -> Floats:
        """(N,), as the service would answer a yes-or-no question at `temperature`."""
        return calibration.probability(self.logits, temperature)

    def sample(self, temperature: float) -> Sample:
        """Sorted and coded, for the metrics of a yes-or-no question."""
        scores = self.probabilities(temperature)
        return Sample.of(self.labels, scores, self.frame["group"].to_numpy())
