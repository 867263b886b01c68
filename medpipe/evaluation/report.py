"""What an artefact is worth: from logits and tables to the measurements of report.json.

Nothing here reads a file or knows where logits come from, so that the champion is measured on the
candidate's test patients by the very same function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from medpipe.config import EvaluateParams
from medpipe.errors import DataError
from medpipe.evaluation import calibration, compare, metrics, threshold
from medpipe.evaluation.sample import Floats, Sample
from medpipe.evaluation.subgroups import subgroups
from medpipe.workload import Workload

if TYPE_CHECKING:
    from medpipe.evaluation.baseline import Boosted


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


def against_baseline(
    found: Boosted, scored: Mapping[str, Scored], point: OperatingPoint, params: EvaluateParams
) -> dict[str, Any]:
    """Section `baseline` of report.json: the rival, measured as the model is, and the difference.

    Parameters
    ----------
    scored : the model's own, by split; `val` and `test` must be there
    point : the model's own; the rival chooses its own on val by the same rule

    Returns
    -------
    {method, examples, features, metrics of test, external: metrics or None, difference:
    {metric: {difference, low, high, model, baseline, better}}}, model − baseline, paired by patient
    """
    rival = {split: Scored(scored[split].frame, logits) for split, logits in found.logits.items()}
    own = operating_point(rival["val"], params)
    pairs = ((scored["test"], point), (rival["test"], own))
    difference = compare.paired(
        scored["test"].labels,
        scored["test"].frame["group"].to_numpy(),
        *(each.probabilities(at.temperature) for each, at in pairs),
        thresholds=(point.threshold, own.threshold),
        confidence=params.confidence,
    )
    names = {"candidate": "model", "champion": "baseline"}
    return {
        "method": found.method,
        "examples": found.examples,
        "features": found.features,
        "metrics": _split(rival["test"], own, params)["metrics"],
        "external": (
            _split(rival["external"], own, params)["metrics"] if "external" in rival else None
        ),
        "difference": {"auroc": {names.get(key, key): v for key, v in difference.items()}},
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
