"""Scored examples, counted at each distinct score, for many resamples of patients at once.

Every metric of the binary objective is a function of how many positives and negatives stand at each
distinct score. Resampling patients only changes those numbers, so the scores are sorted once and a
bootstrap is a matrix of weights, never a copy of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medpipe.errors import DataError

Floats = NDArray[np.float64]
_CELLS = 1 << 17
"""Weights held at once, resamples times examples: 1 MiB, which stays in the cache."""


@dataclass(frozen=True)
class Counts:
    """Weight of each class at each distinct score.

    Parameters
    ----------
    scores : (K,), ascending and distinct, in 0…1
    positives, negatives : (R, K), one row per resample
    """

    scores: Floats
    positives: Floats
    negatives: Floats


@dataclass(frozen=True)
class Sample:
    """Labels, scores and groups of N examples, in ascending order of score; made by `of`.

    Parameters
    ----------
    labels : (N,), True for positive
    scores : (N,), probability of the positive class, ascending
    groups : (N,), 0…G−1
    """

    labels: NDArray[np.bool_]
    scores: Floats
    groups: NDArray[np.int64]

    @classmethod
    def of(cls, labels: ArrayLike, scores: ArrayLike, groups: ArrayLike) -> Sample:
        """`labels` (N,) of 0 and 1, `scores` (N,) in 0…1 and `groups` (N,) of any names, in any
        order.

        Raises
        ------
        DataError : lengths differ, a label is not 0 or 1, or a score is not a probability
        """
        truth, score = np.asarray(labels), np.asarray(scores, dtype=np.float64)
        _, group = np.unique(np.asarray(groups), return_inverse=True)
        if not truth.shape == score.shape == group.shape or truth.ndim != 1:
            raise DataError(
                f"labels {truth.shape}, scores {score.shape} and groups {group.shape} must be of "
                "one length; score exactly the rows that the labels belong to"
            )
        _check(truth, score)
        order = np.lexsort(
            (truth, group, score)
        )  # ties in an order of their own: rows may come shuffled
        return cls(truth[order].astype(bool), score[order], group[order].astype(np.int64))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Sample:
        """The rows where `chosen` (N,), in this sample's order, is True."""
        return Sample.of(self.labels[chosen], self.scores[chosen], self.groups[chosen])

    @cached_property
    def group_count(self) -> int:
        """G, the number of different groups."""
        return int(self.groups.max()) + 1 if len(self) else 0

    @property
    def positives(self) -> int:
        return int(self.labels.sum())

    @property
    def negatives(self) -> int:
        return len(self) - self.positives

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """Where each distinct score begins, (K,)."""
        return np.flatnonzero(np.r_[True, np.diff(self.scores) > 0][: len(self)])

    def counts(self, weights: ArrayLike | None = None) -> Counts:
        """What stands at each distinct score when examples weigh `weights` (R, N); None: 1 each."""
        weight = np.ones((1, len(self))) if weights is None else np.atleast_2d(np.asarray(weights))
        positives = weight * self.labels  # (R, N)
        negatives = weight - positives
        if 0 < len(self._starts) < len(self):
            positives = np.add.reduceat(positives, self._starts, axis=1)  # (R, K)
            negatives = np.add.reduceat(negatives, self._starts, axis=1)
        return Counts(self.scores[self._starts], positives, negatives)

    def resampled(self, resamples: int, seed: int) -> Iterator[Counts]:
        """`resamples` draws of G groups with replacement, in pieces that fit in memory."""
        drawn = group_weights(self.group_count, rows=len(self), resamples=resamples, seed=seed)
        for weights in drawn:
            yield self.counts(weights[:, self.groups])

    def by_group(self, values: ArrayLike) -> Floats:
        """Sums of `values` (N,) over each group, (G,)."""
        weights = np.asarray(values, dtype=np.float64)
        summed: Floats = np.bincount(self.groups, weights, self.group_count).astype(np.float64)
        return summed


def group_weights(count: int, *, rows: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each of `count` G groups is drawn: pieces of (resamples, G), each row sums to G.

    Pieces are such that weights of all `rows` examples fit in the cache.
    """
    rng = np.random.default_rng(seed)
    at_once = max(1, _CELLS // max(rows, 1))
    for start in range(0, resamples, at_once):
        here = min(at_once, resamples - start)
        drawn = rng.integers(0, count, size=(here, count)) + count * np.arange(here)[:, None]
        times: Floats = np.bincount(drawn.ravel(), minlength=here * count).astype(np.float64)
        yield times.reshape(here, count)


def ratio(numerator: Any, denominator: Any) -> Floats:
    """Elementwise quotient; nan where the denominator is 0, so that undefined stays undefined."""
    above, below = np.broadcast_arrays(
        np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    )
    quotient: Floats = np.full(above.shape, np.nan)
    np.divide(above, below, out=quotient, where=below != 0)
    return quotient


def _check(labels: NDArray[Any], scores: Floats) -> None:
    if not np.isin(labels, (0, 1)).all():
        found = sorted(map(str, set(labels.tolist())))[:5]
        raise DataError(f"labels hold {found}; a binary objective knows 0 and 1")
    wrong = np.flatnonzero(~((scores >= 0) & (scores <= 1)))
    if len(wrong):
        raise DataError(
            f"score of row {wrong[0]} is {scores[wrong[0]]}, not a probability 0…1 ({len(wrong)} "
            "such rows): the artefact gave no finite logit; run `medpipe stage export` again"
        )
