"""Whether what a model is asked has moved away from its reference by more than chance and a floor.

Two samples of one fact, each as counts per bin, are compared: the reference is a sample too, and a
small one moves as much as a small week does. Two things must come together before anything is said
to have moved. It must be significant, corrected over all that was looked at; and it must be large,
because in ten thousand answers a difference that matters to nobody is significant.

Significance. Of words, Pearson's chi-squared over the bins. Of ordered bins, that and Kolmogorov
and Smirnov's largest gap between the cumulative shares, the smaller p counted twice (Bonferroni):
the gap sees a shift of the whole, chi-squared a change of shape, and which will come is not known
beforehand. With ties, as bins are, the gap's p is too large, which is the safe side. Neighbouring
bins, and rare words, are put together until chance alone would put five into each (Cochran), or the
far tail of chi-squared, where corrected levels lie, would promise too much.

Size. The population stability index, less what it is on average where nothing has moved: of B bins
and samples of n and m that is (B − 1)(1/n + 1/m), in small weeks more than the usual limits.

How often a fact is not stated is a question of its own: Fisher's exact test, and as its size the
difference between the shares. A device that no longer sends a value changes that and nothing else.

Correction. Holm's: the chance that anything at all is called moved in a quiet window is at most
alpha, however the facts hang together. Benjamini and Hochberg's would bound the share of wrong
names among many, which is not what wakes people up, and holds for some dependence only.

References
----------
Cochran 1954, Biometrics 10:417–451; Conover 1972, JASA 67:591–596 (ties); Yurdakul & Naranjo 2020,
J Risk Model Validation 14:89–100 (distribution of the PSI); Holm 1979, Scand J Statist 6:65–70.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, kolmogorov
from scipy.stats import fisher_exact

from medpipe.monitoring.facts import MISSING, Fact, Part

Counts = NDArray[np.int64]
Kind = Literal["spread", "not stated"]
EXPECTED_MIN = 5
"""In a bin, of the smaller sample, where nothing has moved (Cochran 1954)."""
_SMOOTHED = 0.5
"""Added to each bin for the PSI, whose logarithm knows no empty one (Jeffreys)."""


@dataclass(frozen=True)
class Counted:
    """One fact in one sample.

    Parameters
    ----------
    bins : (B,), how many in each
    missing : where it was not stated
    """

    bins: Counts
    missing: int

    @classmethod
    def of(cls, fact: Fact) -> Counted:
        """The reference."""
        return cls(np.asarray(fact.counts, np.int64), fact.missing)

    @classmethod
    def among(cls, fact: Fact, places: NDArray[np.integer]) -> Counted:
        """`places` (N,), the bin of each answer."""
        known = places[places != MISSING]
        return cls(np.bincount(known, minlength=len(fact.counts)), len(places) - len(known))

    @property
    def total(self) -> int:
        return int(self.bins.sum()) + self.missing


@dataclass(frozen=True)
class Shift:
    """A fact in a window beside the same fact in the sample that it is held against.

    Parameters
    ----------
    kind : which question was asked of it
    before, now : sizes of the two samples
    size : PSI beyond chance; of "not stated", the share now less the share before
    shown : the PSI itself; of "not stated", the share now
    test : which one gave `p`
    p : not corrected
    """

    fact: str
    part: Part
    kind: Kind
    before: int
    now: int
    size: float
    shown: float
    test: str
    p: float


def shifts(fact: Fact, before: Counted, now: Counted) -> tuple[Shift, ...]:
    """Both questions of `fact`; only those that its numbers can answer."""
    found = (_spread(fact, before, now), _not_stated(fact, before, now))
    return tuple(shift for shift in found if shift is not None)


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """`p` (N,) corrected for being N."""
    raw = np.asarray(p, np.float64)
    order = np.argsort(raw)
    stepped = np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1))
    corrected = np.empty_like(raw)
    corrected[order] = np.minimum(stepped, 1)
    return corrected


def psi(before: Counts, now: Counts) -> float:
    """Population stability index of two (B,): 0 where they are alike, symmetric."""
    first, second = (
        (counts + _SMOOTHED) / (counts.sum() + _SMOOTHED * len(counts)) for counts in (before, now)
    )
    return float(((second - first) * np.log(second / first)).sum())


def chi_squared(before: Counts, now: Counts) -> float:
    """The p of Pearson's test that two (B,), with no bin empty in both, are of one population."""
    table = np.stack([before, now]).astype(np.float64)  # (2, B)
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    return float(chdtrc(len(before) - 1, ((table - expected) ** 2 / expected).sum()))


def largest_gap(before: Counts, now: Counts) -> float:
    """The p of Kolmogorov and Smirnov's test of two (B,) of ordered bins, asymptotic."""
    n, m = before.sum(), now.sum()
    gap = np.abs(np.cumsum(before) / n - np.cumsum(now) / m).max()
    return float(kolmogorov(np.sqrt(n * m / (n + m)) * gap))


def merged(before: Counts, now: Counts, *, ordered: bool) -> tuple[Counts, Counts]:
    """The same two samples in bins that are all well filled; see `EXPECTED_MIN`.

    Goes by both samples together, so that which bins are merged says nothing of a difference.
    """
    both = before + now
    smaller = min(before.sum(), now.sum()) / max(1, both.sum())
    places = _runs(both * smaller) if ordered else _rest(both * smaller)
    size = int(places.max(initial=-1)) + 1
    return (
        np.bincount(places, before, size).astype(np.int64),
        np.bincount(places, now, size).astype(np.int64),
    )


def _spread(fact: Fact, before: Counted, now: Counted) -> Shift | None:
    # Where numbers and words stand in one fact, the bins have no one order.
    ordered = bool(fact.edges) and not fact.words
    first, second = merged(before.bins, now.bins, ordered=ordered)
    if len(first) < 2:
        return None
    found = [("chi-squared", chi_squared(first, second))]
    if ordered:
        found.append(("Kolmogorov–Smirnov", largest_gap(first, second)))
    test, p = min(found, key=lambda one: one[1])
    n, m = int(first.sum()), int(second.sum())
    index = psi(first, second)
    chance = (len(first) - 1) * (1 / n + 1 / m)
    p = min(1.0, p * len(found))
    return Shift(fact.name, fact.part, "spread", n, m, index - chance, index, test, p)


def _not_stated(fact: Fact, before: Counted, now: Counted) -> Shift | None:
    if not before.total or not now.total or not (before.missing or now.missing):
        return None
    table = [
        [before.missing, before.total - before.missing],
        [now.missing, now.total - now.missing],
    ]
    p = float(fisher_exact(table)[1])
    share = now.missing / now.total
    size = share - before.missing / before.total
    return Shift(
        fact.name, fact.part, "not stated", before.total, now.total, size, share, "Fisher's", p
    )


def _runs(expected: NDArray[np.float64]) -> NDArray[np.int64]:
    """Place of each of the ordered bins, neighbours together until each run is well filled."""
    places, place, filled = np.zeros(len(expected), np.int64), 0, 0.0
    for index, value in enumerate(expected):
        places[index] = place
        filled += value
        if filled >= EXPECTED_MIN:
            place, filled = place + 1, 0.0
    if filled < EXPECTED_MIN and place > 0:  # what is left over joins the run before it
        places[places == place] = place - 1
    return places


def _rest(expected: NDArray[np.float64]) -> NDArray[np.int64]:
    """Place of each bin of a word: the rare ones together, with the least common if too few."""
    order = np.argsort(-expected, kind="stable")
    runs = np.empty(len(expected), np.int64)
    runs[order] = _runs(expected[order])
    return runs
