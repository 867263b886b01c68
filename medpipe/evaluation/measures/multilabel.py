"""Several yes-or-no labels: each is measured alone, as a binary one, and the means are taken.

A label that is not known for an example takes no part. Each label has a temperature and a threshold
of its own, both from val; the mean counts every label alike, however rare.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError
from medpipe.evaluation import calibration, conformal, intervals, metrics, threshold
from medpipe.evaluation.delong import Area, area
from medpipe.evaluation.examples import first
from medpipe.evaluation.intervals import Estimate
from medpipe.evaluation.measures import multilabel_words, resampling
from medpipe.evaluation.measures.contract import Chosen, Drawn, Measures, Report, Words, mean
from medpipe.evaluation.measures.resampling import Weighted
from medpipe.evaluation.sample import Floats, Sample
from medpipe.evaluation.scored import Scored
from medpipe.objectives.binary import OUTCOMES
from medpipe.objectives.multilabel import Multilabel, Points
from medpipe.sections import EvaluateParams

if TYPE_CHECKING:
    from medpipe.evaluation.trees import Fitting


class Measured(Measures[Points]):
    """L labels; every figure over labels is their plain mean."""

    words: ClassVar[Words] = multilabel_words
    main = "auroc"
    better = multilabel_words.BETTER
    names = multilabel_words.NAMES
    methods = multilabel_words.METHODS
    part_names = multilabel_words.PART_NAMES
    second = "sensitivity"
    shown = ("auroc", "sensitivity", "specificity")

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels, in the order of the logits."""
        assert isinstance(self.objective, Multilabel)
        return self.objective.names

    def risks(self, scored: Scored, point: Points) -> Floats:
        """Risk of each label, (N, L)."""
        assert isinstance(self.objective, Multilabel)
        return self.objective.risks(scored.logits, point)

    def operating_point(self, val: Scored, params: EvaluateParams) -> Points:
        """Temperature and then threshold of each label, from the rows where it is known."""
        found = []
        for name, truth, logits in zip(self.labels, self.truth(val).T, val.logits.T, strict=True):
            known = ~np.isnan(truth)
            labels = truth[known].astype(int)
            try:
                temperature = calibration.fit_temperature(labels, logits[known])
                risks = calibration.probability(logits[known], temperature)
                sample = Sample.of(labels, risks, val.groups[known])
                found.append((temperature, threshold.choose(sample, params.threshold)))
            except DataError as error:
                raise DataError(f"label {name}: {error}") from None
        temperatures, thresholds = zip(*found, strict=True)
        point = Points(
            temperatures,
            thresholds,
            coverage=params.conformal.coverage,
            intercepts=(0.0,) * len(self.labels),
        )
        least = [
            conformal.least(each, coverage=point.coverage) for each in self.outcomes(val, point)
        ]
        return replace(point, least=tuple((negative, positive) for negative, positive in least))

    def outcomes(self, scored: Scored, point: Points) -> list[conformal.Outcomes]:
        """Yes and no of each label where it is known, for `conformal`."""
        assert isinstance(self.objective, Multilabel)
        shares, groups = self.objective.shares(scored.logits, point), scored.groups
        known = ~np.isnan(self.truth(scored))
        truth = np.nan_to_num(self.truth(scored)).astype(np.int64)
        return [
            conformal.Outcomes(OUTCOMES, shares[rows, k], truth[rows, k], groups[rows])
            for k, rows in enumerate(known.T)
        ]

    def measure(self, scored: Scored, point: Points, params: EvaluateParams) -> dict[str, Any]:
        """See `Measures.measure`."""
        truth, risks, groups = self.truth(scored), self.risks(scored, point), scored.groups
        drawn = functions(truth, risks, point)
        del drawn["auroc"]  # its interval has a closed form
        found = resampling.estimates(
            drawn,
            groups,
            params,
            errors=frozenset({"ece"}),
            undefined="a label has one class only, or is never flagged",
        )
        found["auroc"] = _estimate(mean(_areas(truth, risks, groups)), params)
        return {
            "examples": len(scored),
            "groups": scored.frame["group"].nunique(),
            "positives": None,
            "metrics": {name: found[name].as_json() for name in self.better},
            "parts": {
                name: self._part(truth[:, k], risks[:, k], groups, point.thresholds[k], params)
                for k, name in enumerate(self.labels)
            },
            "sets": self._sets(scored, point, params),
        }

    def _sets(self, scored: Scored, point: Points, params: EvaluateParams) -> dict[str, Any]:
        """Of all that is known of all labels, and under `parts` of each label."""
        each = self.outcomes(scored, point)
        least = point.least or ((0.0, 0.0),) * len(each)
        whole = conformal.joined(each)
        lowest = np.repeat(least, [len(one.truth) for one in each], axis=0)
        pairs = zip(self.labels, each, least, strict=True)
        parts = {name: conformal.measured(one, low, params) for name, one, low in pairs}
        return {**conformal.measured(whole, lowest, params), "parts": parts}

    def _part(
        self,
        truth: Floats,
        risks: Floats,
        groups: NDArray[np.int64],
        at: float,
        params: EvaluateParams,
    ) -> dict[str, Any]:
        """One label, measured as a binary question."""
        known = ~np.isnan(truth)
        measured = metrics.measure(
            Sample.of(truth[known].astype(int), risks[known], groups[known]),
            at=at,
            confidence=params.confidence,
            resamples=params.resamples,
            seed=params.seed,
        )
        return {
            "examples": int(truth[known].sum()),
            "known": int(known.sum()),
            "threshold": at,
            "metrics": {name: measured[name] for name in self.part_names},
        }

    def sections(self, test: Scored, point: Points, params: EvaluateParams) -> dict[str, Any]:
        """Calibration, before and after the temperatures."""
        truth, ones = self.truth(test), np.ones((1, len(test)))
        plain = Points((1.0,) * len(self.labels), point.thresholds)
        return {
            "calibration": {
                f"{name}_{when}": float(functions(truth, self.risks(test, at), at)[name](ones)[0])
                for when, at in (("before", plain), ("after", point))
                for name in ("ece", "brier")
            }
        }

    def paired(
        self,
        metric: str,
        first: tuple[Scored, Points],
        second: tuple[Scored, Points],
        params: EvaluateParams,
    ) -> dict[str, Any]:
        """See `Measures.paired`; AUROC by DeLong's covariance, everything else by resampling."""
        truth, groups = self.truth(first[0]), first[0].groups
        risks = [self.risks(scored, point) for scored, point in (first, second)]
        if metric == "auroc":
            areas = [mean(_areas(truth, each, groups)) for each in risks]
            return resampling.of_areas(
                metric, areas, params, is_same=np.array_equal(risks[0], risks[1])
            )
        models = (functions(truth, risks[0], first[1]), functions(truth, risks[1], second[1]))
        known, found = resampling.difference(metric, models, groups, params)
        return resampling.as_paired(metric, self.better[metric], known, found)

    def gap(
        self, scored: Scored, point: Points, mask: NDArray[np.bool_], params: EvaluateParams
    ) -> Estimate:
        """See `Measures.gap`."""
        truth, risks, groups = self.truth(scored), self.risks(scored, point), scored.groups
        whole = mean(_areas(truth, risks, groups))
        part = mean(_areas(np.where(mask[:, None], truth, np.nan), risks, groups))
        if whole is None or part is None:
            return Estimate(None, undefined="a label has one class only")
        return intervals.of_difference(whole, part, confidence=params.confidence)

    def too_few(self, scored: Scored) -> str:
        """Every label needs two patients with and two without."""
        for name, truth in zip(self.labels, self.truth(scored).T, strict=True):
            for word, side in (("with", truth == 1), ("without", truth == 0)):
                if len(np.unique(scored.groups[side])) < 2:
                    return f"fewer than two patients {word} {name}"
        return ""

    def columns(self, scored: Scored, point: Points) -> dict[str, NDArray[Any]]:
        """See `Measures.columns`."""
        tables = {
            "label": self.truth(scored),
            "logit": scored.logits,
            "probability": self.risks(scored, point),
        }
        return {
            f"{kind} {name}": table[:, k]
            for kind, table in tables.items()
            for k, name in enumerate(self.labels)
        }

    def boost(self, fitting: Fitting) -> tuple[dict[str, Floats], int]:
        """See `Measures.boost`; each label has trees of its own, from rows where it is known."""
        found = [fitting.label(k).classes() for k in range(len(self.labels))]
        logits = {
            split: np.column_stack([by_split[split] for by_split, _ in found])
            for split in fitting.asked
        }
        return logits, sum(trees for _, trees in found)

    def choose(self, scored: Scored, point: Points, *, count: int) -> list[Chosen]:
        """Examples with the most wrong labels, and with none wrong, half of each."""
        truth = self.truth(scored)
        flagged = self.risks(scored, point) >= np.array(point.thresholds)
        known, names = ~np.isnan(truth), scored.frame["example"].tolist()
        wrong = ((flagged != (truth == 1)) & known).sum(axis=1).astype(np.float64)
        worst = first(wrong > 0, -wrong, names)[: count // 2]
        most = -flagged.sum(axis=1).astype(np.float64)  # those with nothing to show come last
        right = first(wrong == 0, most, names)[: count - len(worst)]
        return [
            Chosen(row, str(names[row]), kind, self._said(flagged[row]), kind == "right")
            for kind, rows in (("right", right), ("wrong", worst))
            for row in rows
        ]

    def _said(self, flagged: NDArray[np.bool_]) -> str:
        found = [name for name, yes in zip(self.labels, flagged, strict=True) if yes]
        return f"flagged: {', '.join(found) or 'nothing'}".replace("_", " ")

    def draw(self, test: Scored, point: Points, report: Report) -> Drawn | None:
        """See `Measures.draw`."""
        from medpipe.evaluation.measures import multilabel_plots  # delayed: promote draws nothing

        truth = self.truth(test)
        if any({0.0, 1.0} - set(column.tolist()) for column in truth.T):
            return None
        return multilabel_plots.drawn(truth, self.risks(test, point), self.labels, report)

    def formula(self, report: Report) -> str:
        """See `Measures.formula`."""
        found = report["operating_point"]["temperatures"]
        each = zip(self.labels, found, strict=True)
        return "risk = 1 / (1 + exp(−logit / temperature)); temperatures: " + ", ".join(
            f"{name} {value:.3f}" for name, value in each
        )

    def positive(self, report: Report) -> str:
        """There is no such thing."""
        return ""


def functions(truth: Floats, risks: Floats, point: Points) -> dict[str, Weighted]:
    """Means over labels of `risks` (N, L) for `truth` (N, L), as functions of weights (R, N)."""

    def over_labels(name: str) -> Weighted:
        return resampling.average(
            [
                resampling.of_scores(
                    metrics.metric(name, at=at),
                    truth[:, k] == 1,
                    risks[:, k],
                    rows=np.flatnonzero(~np.isnan(truth[:, k])),
                )
                for k, at in enumerate(point.thresholds)
            ]
        )

    return {name: over_labels(name) for name in multilabel_words.BETTER}


def _areas(truth: Floats, risks: Floats, groups: NDArray[np.int64]) -> list[Area | None]:
    """AUROC of each label, over the rows where it is known."""
    found = []
    for column, scores in zip(truth.T, risks.T, strict=True):
        known = ~np.isnan(column)
        found.append(
            area(
                column[known] == 1,
                scores[known],
                groups[known],
                group_count=int(groups.max()) + 1,
            )
        )
    return found


def _estimate(found: Area | None, params: EvaluateParams) -> Estimate:
    if found is None:
        return Estimate(None, undefined="a label has one class only")
    return intervals.of_area(found, confidence=params.confidence)
