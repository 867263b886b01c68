"""Mean and spread of numbers that are read once, in parts."""

from __future__ import annotations

import numpy as np

_SPREAD_MIN = 1e-6
"""Standard deviations below this are of a number that is always the same, such as ventilation."""


def moments(values: np.ndarray) -> np.ndarray:
    """Count, sum and sum of squares: (3,); those of parts add up to those of the whole."""
    return np.array([len(values), values.sum(), np.square(values).sum()])


def scale(found: np.ndarray) -> list[float] | None:
    """Mean and standard deviation, 1 where there is no spread; None where nothing was counted."""
    count, total, squares = (float(m) for m in found)
    if not count:
        return None
    mean = total / count
    spread = max(squares / count - mean**2, 0.0) ** 0.5
    return [mean, spread if spread > _SPREAD_MIN else 1.0]
