"""One of several classes: a probability for each, the most probable being the answer.

Each class is measured against the rest and the mean is taken over classes, so that a rare class
counts as much as a common one. Probabilities are calibrated by one temperature, fitted on val.

References
----------
Hand & Till 2001, Machine Learning 45:171–186, and Provost & Domingos 2000 (AUROC of several
classes; here each against the rest, unweighted); Guo et al. 2017, ICML (temperature, error of the
top label); Brier 1950, Mon Weather Rev 78:1–3 (for several classes: 0…2).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from medpipe.errors import DataError
from medpipe.evaluation import calibration, conformal, discrimination, intervals
from medpipe.evaluation.delong import Area, area
from medpipe.evaluation.examples import first
from medpipe.evaluation.intervals import Estimate
from medpipe.evaluation.measures import multiclass_words, resampling
from medpipe.evaluation.measures.contract import Chosen, Drawn, Measures, Report, Words, mean
from medpipe.evaluation.measures.resampling import Weighted
from medpipe.evaluation.sample import Floats, ratio
from medpipe.evaluation.scored import Scored
from medpipe.objectives.multiclass import Multiclass, Temperature
from medpipe.sections import EvaluateParams

if TYPE_CHECKING:
    from medpipe.evaluation.trees import Fitting


class Measured(Measures[Temperature]):
    """K classes; every figure over classes is their plain mean."""

    words: ClassVar[Words] = multiclass_words
    main = "auroc"
    better = multiclass_words.BETTER
    names = multiclass_words.NAMES
    methods = multiclass_words.METHODS
    part_names = multiclass_words.PART_NAMES
    second = "balanced_accuracy"
    shown = ("auroc", "balanced_accuracy", "accuracy")

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the logits."""
        assert isinstance(self.objective, Multiclass)
        return self.objective.classes

    def shares(self, scored: Scored, point: Temperature) -> Floats:
        """Probability of each class, (N, K)."""
        return self.objective.link(scored.logits, point.temperature)

    def operating_point(self, val: Scored, params: EvaluateParams) -> Temperature:
        """The temperature that gives the validation labels the highest likelihood.

        Labels are smoothed as Platt did, so that classes that the network separates without error
        do not ask for infinite confidence.
        """
        truth = self.truth(val).astype(int)
        counts = np.bincount(truth, minlength=len(self.classes))
        if not counts.all():
            missing = [name for name, n in zip(self.classes, counts, strict=True) if not n]
            raise DataError(
                f"val has no example of {', '.join(missing)}; the temperature needs every class: "
                "raise split.val or add patients"
            )
        each = 1 / (counts + len(counts))  # (K,): what a row of that class leaves to each other
        aim = np.repeat(each[truth][:, None], len(counts), axis=1)
        aim[np.arange(len(truth)), truth] = ((counts + 1) * each)[truth]
        found = minimize_scalar(
            lambda log: -float((aim * np.log(self._safe(val, np.exp(log)))).sum(1).mean()),
            bounds=tuple(np.log(calibration.TEMPERATURES)),
            method="bounded",
        )
        point = Temperature(float(np.exp(found.x)), coverage=params.conformal.coverage)
        least = conformal.least(self.outcomes(val, point), coverage=point.coverage)
        return replace(point, least=least)

    def outcomes(self, scored: Scored, point: Temperature) -> conformal.Outcomes:
        """The classes, for `conformal`."""
        truth = self.truth(scored).astype(np.int64)
        return conformal.Outcomes(self.classes, self.shares(scored, point), truth, scored.groups)

    def _safe(self, scored: Scored, temperature: float) -> Floats:
        shares = self.shares(scored, Temperature(temperature))
        return np.asarray(np.clip(shares, np.finfo(np.float64).tiny, 1))

    def measure(self, scored: Scored, point: Temperature, params: EvaluateParams) -> dict[str, Any]:
        """See `Measures.measure`."""
        truth, shares = self.truth(scored).astype(int), self.shares(scored, point)
        called, groups = shares.argmax(axis=1), scored.groups
        drawn = functions(truth, shares)
        del drawn["auroc"], drawn["accuracy"]  # these have intervals in closed form
        found = resampling.estimates(
            drawn,
            groups,
            params,
            errors=frozenset({"ece"}),
            undefined="a class has no example, or is never called",
        )
        found["auroc"] = _estimate(mean(_areas(truth, shares, groups)), params)
        found["accuracy"] = resampling.proportion(
            called == truth, np.ones(len(truth), dtype=bool), groups, params
        )
        return {
            "examples": len(scored),
            "groups": scored.frame["group"].nunique(),
            "positives": None,
            "metrics": {name: found[name].as_json() for name in self.better},
            "parts": {
                name: _part(truth == k, called == k, shares[:, k], groups, params)
                for k, name in enumerate(self.classes)
            },
            "sets": conformal.measured(self.outcomes(scored, point), point.least or (0.0,), params),
        }

    def sections(self, test: Scored, point: Temperature, params: EvaluateParams) -> dict[str, Any]:
        """Calibration, before and after the temperature."""
        truth, ones = self.truth(test).astype(int), np.ones((1, len(test)))
        errors = {
            f"{name}_{when}": float(functions(truth, self.shares(test, at))[name](ones)[0])
            for when, at in (("before", Temperature(1.0)), ("after", point))
            for name in ("ece", "brier")
        }
        return {"calibration": {"temperature": point.temperature, **errors}}

    def paired(
        self,
        metric: str,
        first: tuple[Scored, Temperature],
        second: tuple[Scored, Temperature],
        params: EvaluateParams,
    ) -> dict[str, Any]:
        """See `Measures.paired`; AUROC by DeLong's covariance, everything else by resampling."""
        truth, groups = self.truth(first[0]).astype(int), first[0].groups
        shares = [self.shares(scored, point) for scored, point in (first, second)]
        if metric == "auroc":
            areas = [mean(_areas(truth, each, groups)) for each in shares]
            return resampling.of_areas(
                metric, areas, params, is_same=np.array_equal(shares[0], shares[1])
            )
        models = (functions(truth, shares[0]), functions(truth, shares[1]))
        known, found = resampling.difference(metric, models, groups, params)
        return resampling.as_paired(metric, self.better[metric], known, found)

    def gap(
        self, scored: Scored, point: Temperature, mask: NDArray[np.bool_], params: EvaluateParams
    ) -> Estimate:
        """See `Measures.gap`."""
        truth, shares = self.truth(scored).astype(int), self.shares(scored, point)
        groups = scored.groups
        count = int(groups.max()) + 1
        whole = mean(_areas(truth, shares, groups))
        part = mean(_areas(truth[mask], shares[mask], groups[mask], group_count=count))
        if whole is None or part is None:
            return Estimate(None, undefined="a class has no example")
        return intervals.of_difference(whole, part, confidence=params.confidence)

    def too_few(self, scored: Scored) -> str:
        """Every class needs two patients."""
        truth = self.truth(scored).astype(int)
        for k, name in enumerate(self.classes):
            if len(np.unique(scored.groups[truth == k])) < 2:
                return f"fewer than two patients of class {name}"
        return ""

    def columns(self, scored: Scored, point: Temperature) -> dict[str, NDArray[Any]]:
        """See `Measures.columns`."""
        shares = self.shares(scored, point)
        names = np.array(self.classes)
        return {
            "label": names[self.truth(scored).astype(int)],
            **{f"logit {name}": scored.logits[:, k] for k, name in enumerate(names)},
            **{f"probability {name}": shares[:, k] for k, name in enumerate(names)},
        }

    def boost(self, fitting: Fitting) -> tuple[dict[str, Floats], int]:
        """See `Measures.boost`; of two classes, trees give the logit of the second alone."""
        found, trees = fitting.classes()
        if len(self.classes) == 2:
            found = {split: np.c_[0 * logits, logits] for split, logits in found.items()}
        return found, trees

    def choose(self, scored: Scored, point: Temperature, *, count: int) -> list[Chosen]:
        """The surest errors, and right answers nearest to the median certainty, half of each."""
        truth, shares = self.truth(scored).astype(int), self.shares(scored, point)
        called, sure = shares.argmax(axis=1), shares.max(axis=1)
        names, right = scored.frame["example"].tolist(), called == truth
        wrong = first(~right, -sure, names)[: count // 2]
        middle = float(np.median(sure[right])) if right.any() else 0.0
        typical = first(right, np.abs(sure - middle), names)[: count - len(wrong)]
        return [
            Chosen(
                row,
                str(names[row]),
                kind,
                f"{self.classes[called[row]]} ({100 * sure[row]:.0f} %), truly "
                f"{self.classes[truth[row]]}",
                kind == "right",
            )
            for kind, rows in (("right", typical), ("wrong", wrong))
            for row in rows
        ]

    def draw(self, test: Scored, point: Temperature, report: Report) -> Drawn | None:
        """See `Measures.draw`."""
        from medpipe.evaluation.measures import multiclass_plots  # delayed: promote draws nothing

        truth = self.truth(test).astype(int)
        if len(np.unique(truth)) < len(self.classes):
            return None
        return multiclass_plots.drawn(truth, self.shares(test, point), self.classes, report)

    def formula(self, report: Report) -> str:
        """See `Measures.formula`."""
        return f"probabilities = softmax(logits / {report['calibration']['temperature']:.3f})"

    def positive(self, report: Report) -> str:
        """There is no such thing."""
        return ""


def functions(truth: NDArray[Any], shares: Floats) -> dict[str, Weighted]:
    """Metrics of `shares` (N, K) for classes `truth` (N,), as functions of weights (R, N)."""
    count = shares.shape[1]
    called, sure = shares.argmax(axis=1), shares.max(axis=1)
    squares = np.square(shares - np.eye(count)[truth]).sum(axis=1)  # (N,)
    sides = [(truth == k, called == k) for k in range(count)]
    pairs = list(zip((true for true, _ in sides), shares.T, strict=True))
    return {
        "auroc": resampling.average(
            [resampling.of_scores(discrimination.auroc, true, p) for true, p in pairs]
        ),
        "auprc": resampling.average(
            [resampling.of_scores(discrimination.auprc, true, p) for true, p in pairs]
        ),
        "balanced_accuracy": resampling.average([_found(*side) for side in sides]),
        "f1": resampling.average([_f1(*side) for side in sides]),
        "accuracy": lambda w: ratio(w @ (called == truth), w.sum(axis=1)),
        "brier": lambda w: ratio(w @ squares, w.sum(axis=1)),
        "ece": resampling.of_scores(calibration.ece, called == truth, sure),
    }


def _found(true: NDArray[np.bool_], called: NDArray[np.bool_]) -> Weighted:
    """Share of a class that is called it."""
    return lambda weights: ratio(weights @ (true & called), weights @ true)


def _f1(true: NDArray[np.bool_], called: NDArray[np.bool_]) -> Weighted:
    """F1 of a class; nan where nobody has it and nobody is called it."""
    return lambda weights: ratio(2 * (weights @ (true & called)), weights @ true + weights @ called)


def _areas(
    truth: NDArray[Any],
    shares: Floats,
    groups: NDArray[np.int64],
    *,
    group_count: int | None = None,
) -> list[Area | None]:
    """AUROC of each class against the rest."""
    count = int(groups.max()) + 1 if group_count is None else group_count
    return [
        area(truth == k, shares[:, k], groups, group_count=count) for k in range(shares.shape[1])
    ]


def _estimate(found: Area | None, params: EvaluateParams) -> Estimate:
    if found is None:
        return Estimate(None, undefined="a class has no example, or is the only one")
    return intervals.of_area(found, confidence=params.confidence)


def _part(
    true: NDArray[np.bool_],
    called: NDArray[np.bool_],
    shares: Floats,
    groups: NDArray[np.int64],
    params: EvaluateParams,
) -> dict[str, Any]:
    """One class against the rest: examples and metrics."""
    found = area(true, shares, groups, group_count=int(groups.max()) + 1)
    estimates = {
        "auroc": _estimate(found, params),
        "sensitivity": resampling.proportion(called, true, groups, params),
        "specificity": resampling.proportion(~called, ~true, groups, params),
        "ppv": resampling.proportion(true, called, groups, params),
    }
    return {
        "examples": int(true.sum()),
        "metrics": {name: estimate.as_json() for name, estimate in estimates.items()},
    }
