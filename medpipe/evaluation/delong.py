"""AUROC with its variance when a patient may have several examples.

An AUROC is close to a sum with one term per patient. Holding those terms, instead of the variance
only, gives the covariance of any two AUROCs that share patients: two models on the same examples,
or a subgroup and the whole that it is part of.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.evaluation.sample import Floats


@dataclass(frozen=True)
class Area:
    """An AUROC as a value and the share (G,) that each group has in its error.

    `influence` is None where one class comes from a single group, so that no variance can be known.
    `pairs` is how many pairs of a positive and a negative can be formed with no group used twice.
    """

    value: float
    influence: Floats | None
    pairs: int

    @property
    def error(self) -> float | None:
        """Standard error, clustered by group."""
        return None if self.influence is None else float(np.sqrt(self.influence @ self.influence))


def area(
    labels: NDArray[np.bool_], scores: Floats, groups: NDArray[np.int64], *, group_count: int
) -> Area | None:
    """AUROC of `scores` (N,) for `labels` (N,); None where one class is missing.

    `groups` (N,) are 0…G−1 of `group_count` G, so that areas over different rows can be compared.
    With one example per group the variance is DeLong's. With several it is Obuchowski's, but that
    the small-sample factor of the term between the classes is the geometric mean of those of the
    classes, which makes every covariance matrix of areas positive semidefinite.

    References
    ----------
    DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44:837–845; Obuchowski 1997, Biometrics
    53:567–578; Sun & Xu 2014, IEEE Signal Processing Letters 21:1389–1393 (by ranks).
    """
    positive, negative = np.sort(scores[labels]), np.sort(scores[~labels])
    if not len(positive) or not len(negative):
        return None
    beaten = _share_below(negative, scores[labels])  # (M,) per positive
    beating = 1 - _share_below(positive, scores[~labels])  # (N − M,) per negative
    value = float(beaten.mean())
    sides = [
        _scaled(placement - value, groups[side], group_count)
        for placement, side in ((beaten, labels), (beating, ~labels))
    ]
    known = [side for side in sides if side is not None]
    return Area(
        value,
        known[0] + known[1] if len(known) == 2 else None,
        _disjoint_pairs(groups[labels], groups[~labels]),
    )


def _share_below(ordered: Floats, values: Floats) -> Floats:
    """Share of `ordered` below each of `values`, equal ones counted half."""
    left, right = (
        np.searchsorted(ordered, values, "left"),
        np.searchsorted(ordered, values, "right"),
    )
    return (left + right) / (2 * len(ordered))


def _scaled(deviation: Floats, groups: NDArray[np.int64], count: int) -> Floats | None:
    """Mean deviation as a sum over groups (G,), with the factor for few groups."""
    clusters = len(np.unique(groups))
    if clusters < 2:
        return None
    summed = np.bincount(groups, deviation, count) / len(deviation)
    return summed * float(np.sqrt(clusters / (clusters - 1)))


def _disjoint_pairs(positive: NDArray[np.int64], negative: NDArray[np.int64]) -> int:
    first, second = set(positive.tolist()), set(negative.tolist())
    return min(len(first), len(second), len(first | second) // 2)
