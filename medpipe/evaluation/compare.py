"""Two models on the same patients: how much better is one, and how surely."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from medpipe.errors import DataError
from medpipe.evaluation import metrics
from medpipe.evaluation.delong import area
from medpipe.evaluation.intervals import Estimate, bootstrap, of_difference, percentile
from medpipe.evaluation.sample import Floats, Sample


def paired(
    labels: ArrayLike,
    groups: ArrayLike,
    candidate: ArrayLike,
    champion: ArrayLike,
    *,
    metric: str = "auroc",
    thresholds: tuple[float, float] = (0.5, 0.5),
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """The metric of `candidate` minus that of `champion`, with its interval clustered by group.

    The same patients carry both, so their luck cancels: the interval is far narrower than that of
    two separate test sets. AUROC by DeLong's covariance, everything else by resampling the
    patients of both at once. Where ``better`` is lower (Brier, ECE), a negative difference is the
    good news.

    Parameters
    ----------
    labels, groups : (N,)
    candidate, champion : (N,), probabilities of the two models on those rows
    thresholds : operating points of candidate and champion, for metrics that need one

    Returns
    -------
    {difference, low, high, candidate, champion, metric, better}: the two values and what lies
    between them; and `undefined` where one of these is None
    """
    if np.shape(candidate) != np.shape(champion):
        raise DataError(
            f"candidate has {np.size(candidate)} scores and champion {np.size(champion)}; a paired "
            "comparison needs both on the same rows: score the champion on this test split again"
        )
    samples = (Sample.of(labels, candidate, groups), Sample.of(labels, champion, groups))
    if metric == "auroc":
        values, found = _areas(samples, confidence, is_same=np.array_equal(candidate, champion))
    else:
        values, found = _resampled(samples, metric, thresholds, confidence, resamples, seed)
    outcome = found.as_json()
    outcome["difference"] = outcome.pop("value")
    named = {"candidate": values[0], "champion": values[1]}
    return outcome | named | {"metric": metric, "better": metrics.BETTER[metric]}


Values = tuple[float | None, float | None]


def _areas(
    samples: tuple[Sample, Sample], confidence: float, *, is_same: bool
) -> tuple[Values, Estimate]:
    first, second = (
        area(sample.labels, sample.scores, sample.groups, group_count=sample.group_count)
        for sample in samples
    )
    if first is None or second is None:
        return (None, None), Estimate(None, undefined="one class only")
    values = (first.value, second.value)
    if is_same:  # one model: no patient can tell it from itself, however few there are
        return values, Estimate(0.0, 0.0, 0.0)
    return values, of_difference(first, second, confidence=confidence)


def _resampled(
    samples: tuple[Sample, Sample],
    name: str,
    thresholds: tuple[float, float],
    confidence: float,
    resamples: int,
    seed: int,
) -> tuple[Values, Estimate]:
    """Both samples are resampled with one seed, so resample r holds the same patients in both."""
    if not len(samples[0]):
        return (None, None), Estimate(None, undefined="no examples")
    values: list[float] = []
    draws: list[Floats] = []
    for sample, at in zip(samples, thresholds, strict=True):
        chosen = {name: metrics.metric(name, at=at)}
        values.append(float(chosen[name](sample.counts())[0]))
        draws.append(bootstrap(sample, chosen, resamples=resamples, seed=seed)[name])
    first, second = (value if np.isfinite(value) else None for value in values)
    if first is None or second is None:
        reason = f"{name} is undefined for one of the models"
        return (first, second), Estimate(None, undefined=reason)
    found = percentile(first - second, draws[0] - draws[1], confidence=confidence)
    return (first, second), found
