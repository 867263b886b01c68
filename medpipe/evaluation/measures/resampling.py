"""Metrics as functions of the examples' weights, and their intervals by resampling patients.

A metric is given weights (R, N), one row per resample, and gives its R values; weights of 1 give
the estimate itself. Resample r draws the same patients for every metric and model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import ParamsError
from medpipe.evaluation import intervals
from medpipe.evaluation.delong import Area
from medpipe.evaluation.intervals import Estimate
from medpipe.evaluation.sample import Counts, Floats, Sample, group_weights
from medpipe.sections import EvaluateParams

Weighted = Callable[[Floats], Floats]
"""Weights (R, N) → the metric in each resample, (R,); nan where it is undefined."""


def of_scores(
    metric: Callable[[Counts], Floats],
    labels: NDArray[np.bool_],
    scores: Floats,
    *,
    rows: NDArray[np.int64] | None = None,
) -> Weighted:
    """`metric` of the binary objective over `labels` and `scores` (N,), of `rows` only."""
    kept = np.arange(len(scores)) if rows is None else rows
    order = kept[np.argsort(scores[kept], kind="stable")]
    sample = Sample(labels[order], scores[order], np.zeros(len(order), dtype=np.int64))
    return lambda weights: metric(sample.counts(weights[:, order]))


def average(functions: Sequence[Weighted]) -> Weighted:
    """The mean of several metrics; nan where one of them is."""
    return lambda weights: np.asarray(np.mean([each(weights) for each in functions], axis=0))


def values(functions: Mapping[str, Weighted], count: int) -> dict[str, float]:
    """Each metric of `count` examples as they are."""
    ones = np.ones((1, count))
    return {name: float(function(ones)[0]) for name, function in functions.items()}


def draws(
    functions: Mapping[str, Weighted], groups: NDArray[np.int64], params: EvaluateParams
) -> dict[str, Floats]:
    """Each metric over the same draws of patients, (resamples,)."""
    count = int(groups.max()) + 1
    pieces = [
        {name: function(weights[:, groups]) for name, function in functions.items()}
        for weights in group_weights(
            count, rows=len(groups), resamples=params.resamples, seed=params.seed
        )
    ]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in functions}


def estimates(
    functions: Mapping[str, Weighted],
    groups: NDArray[np.int64],
    params: EvaluateParams,
    *,
    errors: frozenset[str] = frozenset(),
    undefined: str,
) -> dict[str, Estimate]:
    """Each metric with its percentile interval; those of `errors`, biased upwards, reflected."""
    found = values(functions, len(groups))
    drawn = draws(functions, groups, params)
    return {
        name: (intervals.reflected if name in errors else intervals.percentile)(
            value, drawn[name], confidence=params.confidence
        )
        if np.isfinite(value)
        else Estimate(None, undefined=undefined)
        for name, value in found.items()
    }


def difference(
    metric: str,
    models: tuple[Mapping[str, Weighted], Mapping[str, Weighted]],
    groups: NDArray[np.int64],
    params: EvaluateParams,
) -> tuple[tuple[float | None, float | None], Estimate]:
    """The two values of `metric`, and first − second of `models` over the same patients.

    Raises
    ------
    ParamsError : `metric` is none of the functions
    """
    first, second = models
    if metric not in first:
        raise ParamsError(f"no metric {metric!r} can be compared; there are: {', '.join(first)}")
    pair = {"first": first[metric], "second": second[metric]}
    found = values(pair, len(groups))
    known = tuple(value if np.isfinite(value) else None for value in found.values())
    if known[0] is None or known[1] is None:
        reason = f"{metric} is undefined for one of the models"
        return (known[0], known[1]), Estimate(None, undefined=reason)
    drawn = draws(pair, groups, params)
    estimate = intervals.percentile(
        known[0] - known[1], drawn["first"] - drawn["second"], confidence=params.confidence
    )
    return (known[0], known[1]), estimate


def as_paired(
    metric: str, better: str, known: tuple[float | None, float | None], found: Estimate
) -> dict[str, Any]:
    """A difference as the gate reads it; see `Measures.paired`."""
    outcome = found.as_json()
    outcome["difference"] = outcome.pop("value")
    named = {"candidate": known[0], "champion": known[1]}
    return outcome | named | {"metric": metric, "better": better}


def of_areas(
    metric: str, areas: Sequence[Area | None], params: EvaluateParams, *, is_same: bool
) -> dict[str, Any]:
    """The difference of two areas over the same groups, as the gate reads it."""
    first, second = areas
    if first is None or second is None:
        return as_paired(metric, "higher", (None, None), Estimate(None, undefined="one class only"))
    known = (first.value, second.value)
    if is_same:  # one model: no patient can tell it from itself, however few there are
        return as_paired(metric, "higher", known, Estimate(0.0, 0.0, 0.0))
    found = intervals.of_difference(first, second, confidence=params.confidence)
    return as_paired(metric, "higher", known, found)


def proportion(
    hits: NDArray[np.bool_],
    among: NDArray[np.bool_],
    groups: NDArray[np.int64],
    params: EvaluateParams,
) -> Estimate:
    """The share of `hits` within `among`, (N,) each, by patient; see `intervals.of_proportion`."""
    everyone = Sample(np.ones(len(groups), dtype=bool), np.zeros(len(groups)), groups)
    return intervals.of_proportion(everyone, hits, among, confidence=params.confidence)
