"""Stands in for OpenCV: grey images made smaller or larger, equalised, and read from PNG.

What OpenCV does with INTER_AREA, to the level, in numpy: the mean of each pixel's area when both
sides shrink, else a line between neighbours. Its sums are of single precision (of fixed point where
8 bits grow), so they are made here in its order, or one level in some thousand would differ.

References
----------
OpenCV 4, modules/imgproc/src/resize.cpp: INTER_AREA and its table of shares; histogram.cpp.
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
    new_width, new_height = size
    ways = (image.shape[0] / new_height, image.shape[1] / new_width)
    if min(ways) < 1:
        levels = _between(image, new_height, new_width)
    elif all(way.is_integer() for way in ways):
        levels = _blocks(image, new_height, new_width)
    else:
        across = _meant(image.T.astype(np.float32), new_width)
        levels = np.rint(_meant(across.T, new_height))
    return np.asarray(np.clip(levels, 0, np.iinfo(image.dtype).max), image.dtype)


def _blocks(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Means of blocks of whole pixels."""
    cut = image.reshape(height, image.shape[0] // height, width, image.shape[1] // width)
    area = cut.shape[1] * cut.shape[3]
    sums = cut.sum((1, 3), dtype=np.int64)
    if cut.shape[1] == cut.shape[3] == 2:
        return np.asarray((sums + 2) >> 2)  # its fast way rounds halves up
    return np.asarray(np.rint(sums.astype(np.float32) * np.float32(1 / area)))


def _meant(lines: np.ndarray, new: int) -> np.ndarray:
    """Lines (old, N), single precision, as (new, N): each the mean of what it covers."""
    parts = [_shares(len(lines), new, place) for place in range(new)]
    found = np.zeros((new, lines.shape[1]), np.float32)
    for turn in range(max(map(len, parts))):
        taken = [part[turn] if turn < len(part) else (0, 0.0) for part in parts]
        shares = np.array([share for _, share in taken], np.float32)
        found += lines[[old for old, _ in taken]] * shares[:, None]
    return found


def _shares(old: int, new: int, place: int) -> list[tuple[int, float]]:
    """Old lines that the new one at `place` covers, in their order, each with its share."""
    scale = 1 / (new / old)  # rounded as OpenCV rounds it
    first = place * scale
    last, cell = first + scale, min(scale, old - first)
    end = min(math.floor(last), old - 1)
    whole = min(math.ceil(first), end)
    found = [(whole - 1, (whole - first) / cell)] if whole - first > _SLIVER else []
    found += [(each, 1 / cell) for each in range(whole, end)]
    if last - end > _SLIVER:
        found.append((end, min(last - end, 1.0, cell) / cell))
    return found


def _between(image: np.ndarray, height: int, width: int) -> np.ndarray:
    rows, columns = _weights(image.shape[0], height), _weights(image.shape[1], width)
    if image.dtype != np.uint8:
        across = _line(image.T.astype(np.float32), columns)
        return np.asarray(np.rint(_line(across.T, rows)))
    fixed = [np.rint(each * _ONE).astype(np.int64) for each in (rows, columns)]
    across = image.astype(np.int64) @ fixed[1].T
    down = fixed[0][:, None, :] * (across.T >> 4)[None]  # (height, width, H)
    return np.asarray(((down >> 16).sum(2) + 2) >> 2)


def _line(lines: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Lines (old, N) between two of which each of the (new, N) lies; `weights` (new, old)."""
    left = (weights != 0).argmax(1)
    right = np.minimum(left + 1, len(lines) - 1)
    at = np.arange(len(weights))
    shares = np.where(right > left, weights[at, right], np.float32(0))
    return np.asarray(lines[left] * weights[at, left][:, None] + lines[right] * shares[:, None])


def _weights(old: int, new: int) -> np.ndarray:
    """Weights, single precision, of old pixels in each new one, (new, old); rows sum to 1."""
    inverse, weights = new / old, np.zeros((new, old), np.float32)
    scale = 1 / inverse  # not old / new: where that is a whole number, this may lie just below
    for place in range(new):
        left = math.floor(place * scale)
        share = np.float32((place + 1) - (left + 1) * inverse)
        share = np.float32(0) if share <= 0 else share - np.floor(share)
        left, share = (old - 1, np.float32(0)) if left >= old - 1 else (left, share)
        weights[place, left] = 1 - share
        if share:
            weights[place, left + 1] = share
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
