"""What an artefact is worth: from logits and tables to the measurements of report.json.

Nothing here reads a file or knows where logits come from, so that the champion is measured on the
candidate's test patients by the very same function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from medpipe.config import EvaluateParams
from medpipe.errors import DataError
from medpipe.evaluation import calibration, metrics, threshold
from medpipe.evaluation.sample import Floats, Sample
from medpipe.evaluation.subgroups import subgroups
from medpipe.workload import Workload


@dataclass(frozen=True)
class Scored:
    """One split, scored.

    Parameters
    ----------
    frame : N rows; example, group, label (0 or 1), site and covariates
    logits : (N,), in the order of `frame`
    """

    frame: pd.DataFrame
    logits: Floats

    def __post_init__(self) -> None:
        """Refuse logits that cannot belong to these rows."""
        if np.shape(self.logits) != (len(self.frame),):
            raise DataError(
                f"{np.size(self.logits)} logits for {len(self.frame)} examples; score the split "
                "again"
            )
        wrong = int((~np.isfinite(self.logits)).sum())
        if wrong:
            raise DataError(
                f"{wrong} of {len(self.logits)} logits are not finite: the artefact is broken; "
                "train with a lower learning rate, or export again"
            )

    @property
    def labels(self) -> np.ndarray:
        """(N,) of 0 and 1."""
        return self.frame["label"].to_numpy().astype(np.int64)

    def probabilities(self, temperature: float) -> Floats:
        """(N,), as the service would answer at `temperature`."""
        return calibration.probability(self.logits, temperature)

    def sample(self, temperature: float) -> Sample:
        """Sorted and coded, for the metrics."""
        scores = self.probabilities(temperature)
        return Sample.of(self.labels, scores, self.frame["group"].to_numpy())


@dataclass(frozen=True)
class OperatingPoint:
    """What turns a logit into an answer: probability = sigmoid(logit / temperature)."""

    temperature: float
    threshold: float


def operating_point(val: Scored, params: EvaluateParams) -> OperatingPoint:
    """Temperature and then threshold, both from the validation split alone.

    Raises
    ------
    DataError : the split lacks a class that the fit or the rule needs
    """
    temperature = calibration.fit_temperature(val.labels, val.logits)
    return OperatingPoint(temperature, threshold.choose(val.sample(temperature), params.threshold))


def report_for(
    workload: Workload,
    params: EvaluateParams,
    scored: Mapping[str, Scored],
    point: OperatingPoint,
) -> dict[str, Any]:
    """The measured part of report.json: splits, calibration, threshold, subgroups and methods.

    Parameters
    ----------
    scored : by split; `test` must be there, `val` and `external` where they are
    point : the model's own; a champion keeps the one that it is served with
    """
    test = scored["test"]
    before, after = (
        {
            name: float(function(test.sample(temperature).counts())[0])
            for name, function in (("ece", calibration.ece), ("brier", calibration.brier))
        }
        for temperature in (1.0, point.temperature)
    )
    return {
        "splits": {
            name: _split(scored[name], point, params) if name in scored else None
            for name in ("test", "external", "val")
        },
        "calibration": {
            "temperature": point.temperature,
            **{f"{name}_before": value for name, value in before.items()},
            **{f"{name}_after": value for name, value in after.items()},
        },
        "threshold": {
            "value": point.threshold,
            "rule": params.threshold.rule,
            "at": params.threshold.at,
        },
        "subgroups": subgroups(
            test.frame,
            test.probabilities(point.temperature),
            workload.columns,
            at=point.threshold,
            params=params,
        ),
        "confidence": params.confidence,
        "methods": dict(metrics.METHODS),
    }


def _split(scored: Scored, point: OperatingPoint, params: EvaluateParams) -> dict[str, Any]:
    sample = scored.sample(point.temperature)
    return {
        "examples": len(sample),
        "groups": sample.group_count,
        "positives": sample.positives,
        "metrics": metrics.measure(
            sample,
            at=point.threshold,
            confidence=params.confidence,
            resamples=params.resamples,
            seed=params.seed,
        ),
    }
