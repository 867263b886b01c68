"""Irregular series of measurements as a grid of hours, and what trees can use of such a grid.

Numpy only: the service encodes requests with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medpipe.columns import Column

Pairs = Sequence[Sequence[float]] | None
"""(hour, value) pairs in any order, as raw and requests hold them."""

SUMMARIES = ("last", "first", "mean", "lowest", "highest", "spread", "trend", "count", "since")
"""What `summaries` says of a series, in this order."""


def usable(pairs: Pairs, column: Column) -> np.ndarray:
    """The measurements (n, 2) float32 within hours 0…span and the column's range, by hour.

    The others are no measurements: a slipped decimal point is not moved back, nor cut to the range.
    """
    found = np.asarray(pairs or [], np.float32).reshape(-1, 2)
    hour, value = found[:, 0], found[:, 1]
    fits = (hour >= 0) & (hour <= (np.inf if column.span_h is None else column.span_h))
    fits &= value >= (-np.inf if column.low is None else column.low)
    fits &= value <= (np.inf if column.high is None else column.high)
    kept: np.ndarray = found[fits]
    # The same bytes whatever order they were sent in: sums of floats depend on it.
    return kept[np.lexsort((kept[:, 1], kept[:, 0]))]


def means(pairs: Pairs, column: Column, *, hours: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean (T,) float64 of each hour's measurements, 0 where there is none, and their counts.

    A measurement at the very end of the span belongs to the last hour.
    """
    found = usable(pairs, column)
    hour = np.minimum(found[:, 0].astype(np.int64), hours - 1)
    counts = np.bincount(hour, minlength=hours)
    sums = np.bincount(hour, weights=found[:, 1], minlength=hours)
    return sums / np.maximum(counts, 1), counts


def summaries(values: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """`SUMMARIES` of every series of a batch: (N, 9 · V) float32, nan where nothing was measured.

    Parameters
    ----------
    values : (N, T, V)
    measured : (N, T, V), whether there is a measurement in that hour

    Returns
    -------
    the nine numbers of the first series, then of the second, …; the trend is the slope per hour of
    a straight line, the count is of hours, "since" is hours from the last measurement to the end
    """
    known = measured.astype(bool)
    held = np.where(known, values, np.nan).astype(np.float64)
    count = known.sum(1)
    some = count > 0
    hours = np.arange(known.shape[1], dtype=np.float64)
    last = known.shape[1] - 1 - known[:, ::-1].argmax(1)
    first = known.argmax(1)
    mean = _divided(np.where(known, values, 0).sum(1), count)
    centred = np.where(known, held - mean[:, None], 0)
    offset = np.where(known, hours[None, :, None], 0)
    middle = _divided(offset.sum(1), count)
    offset = np.where(known, offset - middle[:, None], 0)
    columns = (
        _at(held, last),
        _at(held, first),
        mean,
        np.where(known, held, np.inf).min(1),
        np.where(known, held, -np.inf).max(1),
        np.sqrt(_divided(np.square(centred).sum(1), count)),
        _divided((offset * centred).sum(1), np.square(offset).sum(1)),
        count,
        known.shape[1] - 1 - last,
    )
    found = np.stack([np.where(some, c, np.nan) for c in columns], axis=-1)  # (N, V, 9)
    found[..., SUMMARIES.index("count")] = count
    return found.reshape(len(values), -1).astype(np.float32)


def _at(held: np.ndarray, hour: np.ndarray) -> np.ndarray:
    """The value (N, V) of each series at its own `hour` (N, V)."""
    return np.asarray(np.take_along_axis(held, hour[:, None], axis=1)[:, 0])


def _divided(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """`above` / `below`, nan where `below` is 0."""
    return np.asarray(np.where(below > 0, above / np.where(below > 0, below, 1), np.nan))
