"""From an estimate to the interval that is reported with it, by patient.

One interval per kind of metric, and why (z, w and n are the usual letters of the papers):

AUROC — DeLong's variance clustered by patient, on the logit scale: closed form, the same at every
    run, never outside of 0…1, and near 95 % where the percentile bootstrap is too narrow (areas
    near 1). At exactly 0 or 1 the variance vanishes; there, pairs that share no patient are
    independent, all of them agree, and Clopper and Pearson's bound for n of n holds.
Proportions (sensitivity, specificity, PPV, NPV, accuracy; F1 through the Jaccard index) —
    Wilson's, on the effective number of examples: n divided by the design effect of patients with
    several examples. It does not collapse at 0 of n or n of n, where a bootstrap does, so no
    switch between methods makes 100 % look less certain than 99 %. At 0 or n the design effect
    cannot be seen; n is then the number of patients, as if all examples of one were copies.
AUPRC, Brier, net benefit — percentile bootstrap of patients. An AUPRC of exactly 1 never varies;
    there, Wilson's on the number of patients with a positive.
ECE — basic (reflected) bootstrap: the resampled error is biased upwards by as much as the error
    itself is, and reflection takes that bias away; widened to hold the estimate, cut at 0.

References
----------
Pepe 2003, The Statistical Evaluation of Medical Tests, 5.2.5 (logit scale); Obuchowski & Lieber
2002, Academic Radiology 9:526–530 (area of 1); Clopper & Pearson 1934, Biometrika 26:404–413;
Wilson 1927, JASA 22:209–212; Brown, Cai & DasGupta 2001, Statistical Science 16:101–133; Dean &
Pagano 2015, J Survey Statistics and Methodology 3:484–503 (effective sample size); Boyd, Eng &
Page 2013, ECML (AUPRC); Davison & Hinkley 1997, Bootstrap Methods and their Application, 5.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri

from medpipe.evaluation.delong import Area
from medpipe.evaluation.sample import Counts, Floats, Sample

_LOST_SHARE = 0.05
"""More resamples than this without a value, and the interval would describe other data."""


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; what is not defined is None, and `undefined` says why.

    `count` of `among` are the examples behind a proportion.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    undefined: str = ""
    count: int | None = None
    among: int | None = None

    def as_json(self) -> dict[str, Any]:
        """`value`, `low` and `high`, and what else is known."""
        fixed: dict[str, Any] = {"value": self.value, "low": self.low, "high": self.high}
        more = {"undefined": self.undefined, "count": self.count, "among": self.among}
        return fixed | {name: value for name, value in more.items() if value not in (None, "")}


def z_score(confidence: float) -> float:
    """Standard normal quantile of a two-sided interval: 1.96 for 0.95."""
    return float(ndtri((1 + confidence) / 2))


def of_area(area: Area, *, confidence: float) -> Estimate:
    """Interval of an AUROC."""
    value = area.value
    if value in (0.0, 1.0) and area.pairs:
        bound = ((1 - confidence) / 2) ** (1 / area.pairs)
        return Estimate(value, *((bound, 1.0) if value == 1.0 else (0.0, 1 - bound)))
    if area.error is None:
        return Estimate(value, undefined="one class comes from a single patient: no interval")
    reach = z_score(confidence) * area.error / (value * (1 - value))
    return Estimate(value, float(expit(logit(value) - reach)), float(expit(logit(value) + reach)))


def of_difference(first: Area, second: Area, *, confidence: float) -> Estimate:
    """Interval of ``first − second``, two areas over the same groups; see `delong.area`."""
    value = first.value - second.value
    if first.influence is None or second.influence is None:
        return Estimate(value, undefined="one class comes from a single patient: no interval")
    error = float(np.linalg.norm(first.influence - second.influence))
    reach = z_score(confidence) * error
    if first.value == second.value and first.value in (0.0, 1.0):
        # Both are perfect here and neither varies; each may fall short by as much as one alone.
        alone = of_area(first, confidence=confidence)
        reach = (alone.high or 0.0) - (alone.low or 0.0)
    return Estimate(value, value - reach, value + reach)


def of_proportion(
    sample: Sample, hits: NDArray[np.bool_], among: NDArray[np.bool_], *, confidence: float
) -> Estimate:
    """Interval of the share of `hits` (N,) within `among` (N,), in the sample's order."""
    count, total = int((hits & among).sum()), int(among.sum())
    if not total:
        return Estimate(None, undefined="no example to take the share of", count=0, among=0)
    value = count / total
    low, high = wilson(value, _effective(sample, hits & among, among), confidence=confidence)
    return Estimate(value, low, high, count=count, among=total)


def wilson(share: float, n: float, *, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of `share` out of `n` (which may be broken)."""
    z2 = z_score(confidence) ** 2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    low = 0.0 if share == 0 else float(middle - reach)  # exactly, where rounding would leave 1e-17
    return low, 1.0 if share == 1 else float(middle + reach)


def _effective(sample: Sample, hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
    """How many independent examples the `among` are worth: one per group, up to all of them."""
    by_group = sample.by_group(among)
    found = sample.by_group(hits)
    total, groups = by_group.sum(), int((by_group > 0).sum())
    share = found.sum() / total
    if share in (0.0, 1.0):
        return float(groups)
    clustered = float(((found - share * by_group) ** 2).sum()) / total**2
    return float(total / max(1.0, clustered / (share * (1 - share) / total)))


def bootstrap(
    sample: Sample, metrics: Mapping[str, Callable[[Counts], Floats]], *, resamples: int, seed: int
) -> dict[str, Floats]:
    """Each of `metrics` over the same `resamples` draws of groups, (resamples,); nan: undefined."""
    pieces = [
        {name: metric(counts) for name, metric in metrics.items()}
        for counts in sample.resampled(resamples, seed)
    ]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in metrics}


def percentile(value: float, draws: Floats, *, confidence: float) -> Estimate:
    """Percentile interval of `draws` (R,) around `value`."""
    kept = draws[np.isfinite(draws)]
    if reason := lost(draws):
        return Estimate(value, undefined=reason)
    low, high = np.quantile(kept, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, float(low), float(high))


def reflected(value: float, draws: Floats, *, confidence: float) -> Estimate:
    """Basic bootstrap interval of an error that cannot be negative; always holds `value`."""
    plain = percentile(value, draws, confidence=confidence)
    if plain.low is None or plain.high is None:
        return plain
    low, high = 2 * value - plain.high, 2 * value - plain.low
    return Estimate(value, max(0.0, min(value, low)), max(value, high))


def lost(draws: Floats) -> str:
    """Why `draws` carry no interval; empty where they do."""
    gone = int((~np.isfinite(draws)).sum())
    if gone <= _LOST_SHARE * len(draws):
        return ""
    return f"{gone} of {len(draws)} resamples of patients lack a class: too few patients"
