"""Yes or no: a risk, and a threshold above which the model flags."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medpipe.evaluation import (
    calibration,
    compare,
    conformal,
    curves,
    examples,
    intervals,
    metrics,
    threshold,
)
from medpipe.evaluation.delong import area
from medpipe.evaluation.measures import binary_words
from medpipe.evaluation.measures.contract import Chosen, Drawn, Measures, Report, Words
from medpipe.evaluation.sample import Floats
from medpipe.evaluation.scored import Scored
from medpipe.evaluation.words import condition
from medpipe.objectives.binary import OUTCOMES, Binary, OperatingPoint
from medpipe.sections import EvaluateParams

if TYPE_CHECKING:
    from medpipe.evaluation.trees import Fitting


class Measured(Measures[OperatingPoint]):
    """See `metrics` for how each figure comes about."""

    words: ClassVar[Words] = binary_words
    main = "auroc"
    better = metrics.BETTER
    names = binary_words.NAMES
    methods = metrics.METHODS
    second = "sensitivity"
    shown = ("auroc", "sensitivity", "specificity", "ppv", "npv")

    def operating_point(self, val: Scored, params: EvaluateParams) -> OperatingPoint:
        """Temperature, then threshold, then what is possible."""
        temperature = calibration.fit_temperature(val.labels, val.logits)
        point = OperatingPoint(temperature, 0.0, coverage=params.conformal.coverage)
        point = replace(point, threshold=threshold.choose(val.sample(point), params.threshold))
        negative, positive = conformal.least(self.outcomes(val, point), coverage=point.coverage)
        return replace(point, least=(negative, positive))

    def outcomes(self, scored: Scored, point: OperatingPoint) -> conformal.Outcomes:
        """Yes and no, for `conformal`."""
        assert isinstance(self.objective, Binary)
        shares = self.objective.shares(point.calibrated(scored.logits))
        return conformal.Outcomes(OUTCOMES, shares, scored.labels, scored.groups)

    def measure(
        self, scored: Scored, point: OperatingPoint, params: EvaluateParams
    ) -> dict[str, Any]:
        """See `Measures.measure`."""
        sample = scored.sample(point)
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
            "sets": conformal.measured(self.outcomes(scored, point), point.least, params),
        }

    def sections(
        self, test: Scored, point: OperatingPoint, params: EvaluateParams
    ) -> dict[str, Any]:
        """Calibration (before and after the temperature) and threshold."""
        before, after = (
            {
                name: float(function(test.sample(at).counts())[0])
                for name, function in (("ece", calibration.ece), ("brier", calibration.brier))
            }
            for at in (OperatingPoint(1.0, point.threshold), point)
        )
        return {
            "calibration": {
                "temperature": point.temperature,
                **{f"{name}_before": value for name, value in before.items()},
                **{f"{name}_after": value for name, value in after.items()},
            },
            "threshold": {"value": point.threshold, **params.threshold.model_dump()},
        }

    def paired(
        self,
        metric: str,
        first: tuple[Scored, OperatingPoint],
        second: tuple[Scored, OperatingPoint],
        params: EvaluateParams,
    ) -> dict[str, Any]:
        """See `compare.paired`."""
        scores = (
            ranks(scored.logits) if metric == "auroc" else scored.probabilities(point)
            for scored, point in (first, second)
        )
        return compare.paired(
            first[0].labels,
            first[0].groups,
            *scores,
            metric=metric,
            thresholds=(first[1].threshold, second[1].threshold),
            confidence=params.confidence,
            resamples=params.resamples,
            seed=params.seed,
        )

    def gap(
        self,
        scored: Scored,
        point: OperatingPoint,
        mask: NDArray[np.bool_],
        params: EvaluateParams,
    ) -> intervals.Estimate:
        """See `Measures.gap`."""
        labels, groups = scored.labels.astype(bool), scored.groups
        count = int(groups.max()) + 1
        whole, part = (
            area(labels[rows], scored.logits[rows], groups[rows], group_count=count)
            for rows in (np.ones(len(labels), dtype=bool), mask)
        )
        if whole is None or part is None:
            return intervals.Estimate(None, undefined="one class only")
        return intervals.of_difference(whole, part, confidence=params.confidence)

    def too_few(self, scored: Scored) -> str:
        """Both classes need two patients."""
        labels = scored.labels.astype(bool)
        for name, side in (("positive", labels), ("negative", ~labels)):
            if len(np.unique(scored.groups[side])) < 2:
                return f"fewer than two patients with a {name} example"
        return ""

    def positives(self, scored: Scored) -> int:
        """See `Measures.positives`."""
        return int(scored.labels.sum())

    def columns(self, scored: Scored, point: OperatingPoint) -> dict[str, NDArray[Any]]:
        """See `Measures.columns`."""
        return {
            "label": scored.labels,
            "logit": scored.logits,
            "probability": scored.probabilities(point),
        }

    def boost(self, fitting: Fitting) -> tuple[dict[str, Floats], int]:
        """See `Measures.boost`."""
        return fitting.classes()

    def choose(self, scored: Scored, point: OperatingPoint, *, count: int) -> list[Chosen]:
        """See `examples.choose`."""
        return examples.choose(
            scored.frame["example"].tolist(),
            scored.labels,
            scored.probabilities(point),
            at=point.threshold,
            count=count,
        )

    def draw(self, test: Scored, point: OperatingPoint, report: Report) -> Drawn | None:
        """See `Measures.draw`."""
        sample = test.sample(point)
        if not sample.positives or not sample.negatives:
            return None
        from medpipe.evaluation import plots  # delayed: promote draws nothing

        return plots.drawn(curves.curves(sample, at=point.threshold), report)

    def formula(self, report: Report) -> str:
        """See `Measures.formula`."""
        temperature = report["calibration"]["temperature"]
        return f"risk = 1 / (1 + exp(−logit / {temperature:.3f}))"

    def positive(self, report: Report) -> str:
        """What is being looked for."""
        return condition(report)


def ranks(logits: ArrayLike) -> Floats:
    """Logits as numbers in 0…1 in the same order, which is all that an AUROC looks at."""
    _, place = np.unique(np.asarray(logits), return_inverse=True)
    found: Floats = place / max(int(place.max(initial=0)), 1)
    return found
