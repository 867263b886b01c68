"""A quantity: the answer, and a range around it that holds the truth as often as it says.

The answer is a straight line of the output, fitted on val, so that it is right on average at every
height; half the width of the range is the error that val exceeds in one of ten patients (see
`medpipe.evaluation.conformal`). Answers are those of `objectives.regression`, within the limits
that the label's column declares.

References
----------
Cox 1958, Biometrika 45:562–565 (calibration by a line).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from medpipe.errors import DataError
from medpipe.evaluation import conformal
from medpipe.evaluation.examples import first
from medpipe.evaluation.intervals import Estimate, percentile
from medpipe.evaluation.measures import regression_words, resampling
from medpipe.evaluation.measures.contract import Chosen, Drawn, Measures, Report, Words
from medpipe.evaluation.measures.resampling import Weighted
from medpipe.evaluation.sample import Floats, ratio
from medpipe.evaluation.scored import Scored
from medpipe.objectives.regression import Line, Regression
from medpipe.sections import EvaluateParams

if TYPE_CHECKING:
    from medpipe.evaluation.trees import Fitting

_ROUNDING = 1e-12
"""Share of the squares below which a variance is what rounding left of 0."""


class Measured(Measures[Line]):
    """Errors in the label's unit; R² is the share of the variance that is explained."""

    words: ClassVar[Words] = regression_words
    main = "r2"
    better = regression_words.BETTER
    names = regression_words.NAMES
    methods = regression_words.METHODS
    second = "mae"
    shown = ("r2", "mae", "coverage")

    @property
    def unit(self) -> str:
        """Of the label, with a space before it; empty where it has none."""
        return "".join(f" {label.unit}" for label in self.objective.labels if label.unit)

    def operating_point(self, val: Scored, params: EvaluateParams) -> Line:
        """See the module; the line's slope is not allowed to turn the order of answers round."""
        assert isinstance(self.objective, Regression)
        truth, outputs = self.truth(val), np.asarray(val.logits, dtype=np.float64)
        raw = self.objective.mean + self.objective.std * outputs
        spread = raw - raw.mean()
        slope = max(0.0, float(spread @ truth / (spread @ spread))) if spread.any() else 0.0
        start = float(truth.mean() - slope * raw.mean())
        offset, scale = start + slope * self.objective.mean, slope * self.objective.std
        line = Line(offset, scale, 0.0, params.conformal.coverage)
        errors = np.abs(truth - self.answers(val, line))
        return replace(line, half_width=_half_width(errors, val.groups, line.coverage))

    def answers(self, scored: Scored, point: Line) -> Floats:
        """What the service would answer for each of `scored`, (N,)."""
        assert isinstance(self.objective, Regression)
        return self.objective.answers(scored.logits, point)

    def measure(self, scored: Scored, point: Line, params: EvaluateParams) -> dict[str, Any]:
        """See `Measures.measure`."""
        truth, answers = self.truth(scored), self.answers(scored, point)
        found = resampling.estimates(
            functions(truth, answers),
            scored.groups,
            params,
            undefined="every example has the same value",
        )
        is_held = np.abs(truth - answers) <= point.half_width
        found["coverage"] = conformal.share(is_held, scored.groups, params)
        return {
            "examples": len(scored),
            "groups": scored.frame["group"].nunique(),
            "positives": None,
            "metrics": {name: found[name].as_json() for name in self.better},
            "sets": {"coverage": found["coverage"].as_json(), "outcomes": {}, "sizes": {}},
        }

    def sections(self, test: Scored, point: Line, params: EvaluateParams) -> dict[str, Any]:
        """Calibration (errors before and after the line) and interval."""
        assert isinstance(self.objective, Regression)
        truth = self.truth(test)
        before = Line(self.objective.mean, self.objective.std, 0.0, 0.0)
        mae = {
            f"mae_{when}": float(np.abs(truth - self.answers(test, line)).mean())
            for when, line in (("before", before), ("after", point))
        }
        return {
            "calibration": {"offset": point.offset, "scale": point.scale, **mae},
            "interval": {
                "half_width": point.half_width,
                "coverage": point.coverage,
                "unit": self.unit.strip(),
            },
        }

    def paired(
        self,
        metric: str,
        first: tuple[Scored, Line],
        second: tuple[Scored, Line],
        params: EvaluateParams,
    ) -> dict[str, Any]:
        """See `Measures.paired`."""
        truth = self.truth(first[0])
        models = (
            functions(truth, self.answers(*first)),
            functions(truth, self.answers(*second)),
        )
        known, found = resampling.difference(metric, models, first[0].groups, params)
        return resampling.as_paired(metric, self.better[metric], known, found)

    def gap(
        self, scored: Scored, point: Line, mask: NDArray[np.bool_], params: EvaluateParams
    ) -> Estimate:
        """See `Measures.gap`; the subgroup's errors, too, are held against the whole's variance.

        Its own may be smaller, and the same errors would then look worse.
        """
        truth = self.truth(scored)
        squares = np.square(truth - self.answers(scored, point))
        variance = _variance(truth)

        def lost(weights: Floats) -> Floats:
            part = ratio(weights @ (squares * mask), weights @ mask)
            whole = ratio(weights @ squares, weights.sum(axis=1))
            return ratio(part - whole, variance(weights))

        value = float(lost(np.ones((1, len(truth))))[0])
        drawn = resampling.draws({"gap": lost}, scored.groups, params)["gap"]
        return percentile(value, drawn, confidence=params.confidence)

    def too_few(self, scored: Scored) -> str:
        """Two patients are needed."""
        return "fewer than two patients" if scored.frame["group"].nunique() < 2 else ""

    def columns(self, scored: Scored, point: Line) -> dict[str, NDArray[Any]]:
        """See `Measures.columns`."""
        answers = self.answers(scored, point)
        return {"label": self.truth(scored), "logit": scored.logits, "answer": answers}

    def boost(self, fitting: Fitting) -> tuple[dict[str, Floats], int]:
        """See `Measures.boost`; in standard deviations of train, as the network's output."""
        assert isinstance(self.objective, Regression)
        mean, std = self.objective.mean, self.objective.std
        found, trees = fitting.quantity()
        return {split: (values - mean) / std for split, values in found.items()}, trees

    def choose(self, scored: Scored, point: Line, *, count: int) -> list[Chosen]:
        """The worst errors, and those nearest to the median error, half of each."""
        truth, answers = self.truth(scored), self.answers(scored, point)
        names, errors = scored.frame["example"].tolist(), np.abs(truth - answers)
        everyone = np.ones(len(errors), dtype=bool)
        worst = first(everyone, -errors, names)[: count // 2]
        everyone[worst] = False
        typical = first(everyone, np.abs(errors - np.median(errors)), names)
        return [
            Chosen(
                row,
                str(names[row]),
                kind,
                f"{answers[row]:.3g}{self.unit}, truly {truth[row]:.3g}",
                kind == "typical",
            )
            for kind, rows in (("typical", typical[: count - len(worst)]), ("far off", worst))
            for row in rows
        ]

    def draw(self, test: Scored, point: Line, report: Report) -> Drawn | None:
        """See `Measures.draw`."""
        from medpipe.evaluation.measures import regression_plots  # delayed: promote draws nothing

        assert isinstance(self.objective, Regression)
        answers = self.answers(test, point)
        ends = self.objective.ends(answers, point)
        return regression_plots.drawn(self.truth(test), answers, report, ends=ends)

    def formula(self, report: Report) -> str:
        """See `Measures.formula`."""
        line, (label,) = report["operating_point"], self.objective.labels
        limits = (("not below", label.low), ("not above", label.high))
        cut = "".join(f", {what} {limit:g}" for what, limit in limits if limit is not None)
        return f"answer = {line['offset']:.4g} + {line['scale']:.4g} · output{self.unit}{cut}"

    def positive(self, report: Report) -> str:
        """There is no such thing."""
        return ""


def functions(truth: Floats, answers: Floats) -> dict[str, Weighted]:
    """The metrics of `answers` (N,) for `truth` (N,), as functions of weights (R, N)."""
    error, variance = truth - answers, _variance(truth)
    centred, spread = answers - answers.mean(), _variance(answers)

    def explained(weights: Floats) -> Floats:
        squares = ratio(weights @ np.square(error), weights.sum(axis=1))
        return np.asarray(1 - ratio(squares, variance(weights)))

    def slope(weights: Floats) -> Floats:
        total = weights.sum(axis=1)
        products = ratio(weights @ (centred * truth), total)
        together = products - ratio(weights @ centred, total) * ratio(weights @ truth, total)
        return ratio(together, spread(weights))

    return {
        "r2": explained,
        "mae": lambda w: ratio(w @ np.abs(error), w.sum(axis=1)),
        "rmse": lambda w: np.sqrt(ratio(w @ np.square(error), w.sum(axis=1))),
        "spearman": _spearman(truth, answers),
        "calibration_slope": slope,
        "calibration_intercept": lambda w: ratio(w @ error, w.sum(axis=1)),
    }


def _variance(values: Floats) -> Weighted:
    """Weighted variance of `values` (N,); nan where all that weigh are equal."""
    centred = values - values.mean()

    def variance(weights: Floats) -> Floats:
        total = weights.sum(axis=1)
        squares = ratio(weights @ np.square(centred), total)
        found = squares - np.square(ratio(weights @ centred, total))
        return np.where(found > _ROUNDING * np.square(centred).max(), found, np.nan)

    return variance


def _spearman(first: Floats, second: Floats) -> Weighted:
    """Correlation of the ranks, which are taken among those that weigh, ties sharing theirs."""
    ranked = [_ranks(values) for values in (first, second)]

    def correlation(weights: Floats) -> Floats:
        total = weights.sum(axis=1, keepdims=True)
        x, y = (ranks(weights) - total / 2 for ranks in ranked)  # weighted mid-ranks, mean 0
        together = (weights * x * y).sum(axis=1)
        squares = (weights * x * x).sum(axis=1) * (weights * y * y).sum(axis=1)
        return ratio(together, np.sqrt(squares))

    return correlation


def _ranks(values: Floats) -> Weighted:
    """Weights (R, N) → the weight below each value, with half of that at it, (R, N)."""
    place = rankdata(values, method="dense") - 1  # (N,)
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(place[order]) > 0])

    def ranks(weights: Floats) -> Floats:
        at = np.add.reduceat(weights[:, order], starts, axis=1)  # (R, distinct values)
        return np.asarray((np.cumsum(at, axis=1) - at / 2)[:, place])

    return ranks


def _half_width(errors: Floats, groups: NDArray[np.int64], coverage: float) -> float:
    """The error that `coverage` of the next patients will not exceed, from those of val."""
    found = conformal.quantile(errors, groups, coverage=coverage)
    if math.isinf(found):
        needed = math.ceil(round(coverage / (1 - coverage), 9))
        raise DataError(
            f"val has {len(np.unique(groups))} patients; a range that holds {coverage:.0%} of the "
            f"truth needs {needed}: raise split.val or lower evaluate.conformal.coverage"
        )
    return found
