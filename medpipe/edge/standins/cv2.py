"""Stands in for OpenCV: grey images made smaller or larger, equalised, and read from PNG.

What OpenCV does with INTER_AREA and 8-bit levels, in numpy: the mean of each pixel's area when both
sides shrink, else a line between neighbours in its fixed-point arithmetic. The order of sums
differs, so that one level in some ten thousand may come out one higher or lower.
"""

from __future__ import annotations

import io
import math

import numpy as np

INTER_AREA, IMREAD_GRAYSCALE = 3, 0
IMWRITE_PNG_STRATEGY, IMWRITE_PNG_STRATEGY_RLE = 17, 3
IMWRITE_PNG_FILTER, IMWRITE_PNG_FILTER_AVG = 18, 64
_ONE = 2048
"""1 in OpenCV's fixed point."""
_SLIVER = 1e-3
"""A smaller share of a pixel is left out."""


def resize(image: np.ndarray, size: tuple[int, int], *, interpolation: int) -> np.ndarray:
    """`image` (H, W), uint8 or uint16, as `size` (width, height)."""
    assert interpolation == INTER_AREA
    (height, width), (new_width, new_height) = image.shape, size
    if (height, width) == (new_height, new_width):
        return image.copy()
    if height < new_height or width < new_width:
        return _between(image, new_height, new_width)
    means = _shares(height, new_height) @ image.astype(np.float64) @ _shares(width, new_width).T
    if height == 2 * new_height and width == 2 * new_width:
        return np.asarray(np.floor(means + 0.5), image.dtype)  # its fast way rounds halves up
    return np.asarray(np.rint(means), image.dtype)


def _shares(old: int, new: int) -> np.ndarray:
    """How much of each old pixel lies in each new one, (new, old); rows sum to 1."""
    scale, shares = 1 / (new / old), np.zeros((new, old))  # rounded as OpenCV rounds it
    for place in range(new):
        first, last = place * scale, (place + 1) * scale
        whole = min(math.ceil(first), min(math.floor(last), old - 1))
        end = min(math.floor(last), old - 1)
        cell = min(scale, old - first)
        if whole - first > _SLIVER:
            shares[place, whole - 1] = (whole - first) / cell
        shares[place, whole:end] = 1 / cell
        if last - end > _SLIVER:
            shares[place, end] = min(min(last - end, 1.0), cell) / cell
    return shares


def _between(image: np.ndarray, height: int, width: int) -> np.ndarray:
    rows, columns = _weights(image.shape[0], height), _weights(image.shape[1], width)
    across = image.astype(np.int64) @ columns.T
    down = rows[:, None, :] * (across.T >> 4)[None]  # (height, width, H)
    levels = ((down >> 16).sum(2) + 2) >> 2
    return np.asarray(np.clip(levels, 0, np.iinfo(image.dtype).max), image.dtype)


def _weights(old: int, new: int) -> np.ndarray:
    """Fixed-point weights of old pixels in each new one, (new, old); rows sum to `_ONE`."""
    inverse, weights = new / old, np.zeros((new, old), np.int64)
    scale = 1 / inverse  # not old / new: where that is a whole number, this may lie just below
    for place in range(new):
        left = math.floor(place * scale)
        share = float(np.float32((place + 1) - (left + 1) * inverse))  # single, as there
        share = 0.0 if share <= 0 else share - math.floor(share)
        left, share = (old - 1, 0.0) if left >= old - 1 else (left, share)
        weights[place, left] = round((1 - share) * _ONE)
        if share:
            weights[place, left + 1] = round(share * _ONE)
    return weights


def equalizeHist(image: np.ndarray) -> np.ndarray:  # noqa: N802 - its name
    """`image` (H, W) uint8 with its grey levels spread evenly."""
    counts = np.bincount(image.reshape(-1), minlength=256)
    first = int(np.flatnonzero(counts)[0])
    rest = image.size - counts[first]
    if not rest:
        return image.copy()
    steps = np.cumsum(counts) - counts[first]
    scale = np.float32(255) / np.float32(rest)
    levels = np.rint(np.maximum(steps, 0).astype(np.float32) * scale).astype(np.uint8)
    return np.asarray(levels[image])


def imdecode(data: np.ndarray, flags: int) -> np.ndarray | None:
    """The grey image (H, W) in the bytes of a PNG; None where it is not one."""
    from PIL import Image  # beside this file, or the real one

    assert flags == IMREAD_GRAYSCALE
    try:
        with Image.open(io.BytesIO(data.tobytes()), formats=["PNG"]) as picture:
            return np.asarray(picture.convert("L"))
    except (OSError, SyntaxError, ValueError):
        return None
