"""Examples on different sides of a split whose content is the same, or nearly so.

Near duplicates are pairs whose 64-bit difference hashes lie within a few bits *and* whose
thumbnails then agree. The hash alone proves nothing on chest films, which all look alike at 9×8
pixels: among the 5,840 films of Kermany et al. (doi:10.17632/rscbjbr9sj.2) 9,754 pairs across the
published folders lie within 2 bits, and not one of them is a copy. What 32×32 thumbnails add,
measured on the same films: copies of 400 of them that were recompressed (JPEG quality 20), rescaled
by half, made noisy, re-windowed, gamma-changed (0.7, 1.5), turned by 1° or cropped by 1 % at each
edge correlate with their original at 0.97 or more, 99 of 100 at 0.98 or more, while the most alike
of the 17 million pairs that are not copies reach 0.975. The hash within 2 bits finds 86 to 100 of
100 such copies. Of copies shifted by 2 px about 65 in 100 are found; of equalised ones the hash
finds 93 in 100, and the thumbnails confirm 40. Crops of 3 % and local contrast enhancement are
mostly found by neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np

CORRELATION = 0.98
"""Correlation of two thumbnails from which on they show the same picture; why: see above."""
THUMBNAIL_PX = 32
NEAR_SHARE = 0.01
"""Share of a held-out side with a near duplicate on another side, above which a receipt is not
clean.

Not zero, because pairs grow with the square of the examples: of 100,000 films some dozens of pairs
may pass `CORRELATION` by chance, which is one held-out example in some hundreds.
"""
_SHOWN = 100
_ROWS, _COLUMNS = 64, 4096
"""Block of pairs whose hashes are compared at once: its 2 MiB stay in the processor's cache."""
_PAIRS = 256
"""Pairs whose thumbnails are compared at once: 3 MiB."""

Compare = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(M,) rows and (M,) rows → (M,) bool: whether the contents of each pair agree."""


def exact(example: np.ndarray, side: np.ndarray, content: np.ndarray) -> dict[str, Any]:
    """Contents that stand on more than one side.

    Parameters
    ----------
    example, side : (N,)
    content : (N,) equal where the content is the same, None where unknown

    Returns
    -------
    contents, examples : how many, and how many examples have them
    groups : up to 100 lists of example ids
    """
    rows: dict[Any, list[int]] = {}
    for row, key in enumerate(content):
        if key is not None:
            rows.setdefault(key, []).append(row)
    across = [group for group in rows.values() if len(set(side[group])) > 1]
    return {
        "contents": len(across),
        "examples": sum(len(group) for group in across),
        "groups": [[str(e) for e in example[group]] for group in across[:_SHOWN]],
    }


def near(
    example: np.ndarray,
    side: np.ndarray,
    likeness: np.ndarray,
    *,
    content: np.ndarray | None,
    bits: int,
    alike: Compare | None,
) -> dict[str, Any]:
    """Pairs on different sides that look alike without being the same content.

    Parameters
    ----------
    example, side : (N,)
    likeness : (N,) 64-bit hashes as hexadecimal text, None where unknown
    content : as in `exact`; None where the workload has no such column
    bits : Hamming distance up to which a pair is a candidate
    alike : confirms candidates; None: their number is reported and nothing is judged

    Returns
    -------
    candidates, confirmed : pairs; confirmed is None without `alike`
    shares : side → share of its examples with a confirmed twin, train apart
    pairs : up to 100 pairs of example ids
    bits, limit : what was asked for
    """
    known = np.flatnonzero([text is not None for text in likeness])
    hashes = np.array([int(text, 16) for text in likeness[known]], dtype=np.uint64)
    same = _numbered(content if content is not None else example)
    found, confirmed = 0, 0
    pairs: list[list[str]] = []
    twin = np.zeros(len(example), dtype=bool)
    for i, j in candidates(hashes, side[known], bits):
        left, right = known[i], known[j]
        other = same[left] != same[right]  # the same content is reported by `exact`
        left, right = left[other], right[other]
        found += len(left)
        if alike is None or not len(left):
            continue
        agree = alike(left, right)
        left, right = left[agree], right[agree]
        confirmed += len(left)
        twin[left] = twin[right] = True
        room = _SHOWN - len(pairs)
        pairs += [
            [str(example[a]), str(example[b])]
            for a, b in zip(left[:room], right[:room], strict=True)
        ]
    held_out = sorted(set(side) - {"train"})
    return {
        "candidates": found,
        "confirmed": None if alike is None else confirmed,
        "shares": {name: round(float(twin[side == name].mean()), 6) for name in held_out},
        "pairs": pairs,
        "bits": bits,
        "limit": NEAR_SHARE,
    }


def candidates(
    hashes: np.ndarray, side: np.ndarray, bits: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows on different sides whose hashes differ in at most `bits` bits, block by block.

    Every pair across sides is compared: 4 s on one core for 100,000 rows, growing with the square.

    Parameters
    ----------
    hashes : (N,) uint64
    side : (N,)
    bits : 0…64

    Yields
    ------
    (M,) and (M,) row numbers, 0 < M ≤ 64 × 4096, so that memory does not grow with N
    """
    for first, second in combinations(sorted(set(side)), 2):
        left, right = np.flatnonzero(side == first), np.flatnonzero(side == second)
        for a in range(0, len(left), _ROWS):
            rows = left[a : a + _ROWS]
            for b in range(0, len(right), _COLUMNS):
                columns = right[b : b + _COLUMNS]
                distance = np.bitwise_count(hashes[rows, None] ^ hashes[None, columns])
                hits = np.flatnonzero(distance <= bits)  # ten times as fast as nonzero in 2-D
                if len(hits):
                    i, j = np.divmod(hits, len(columns))
                    yield rows[i], columns[j]


def thumbnail(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """The picture in one example's encoded inputs, small and of zero mean and unit variance.

    Borders of one grey level are cut off first: the bars beside a picture that was fitted into a
    square would make any two pictures of its shape agree.

    Parameters
    ----------
    inputs : as `Workload.encode` gives them; the first, by name, with two axes or more is taken,
        and every axis but its last two is averaged over

    Returns
    -------
    (1024,) float16: 32 × 32; all zero, which agrees with nothing, for a flat or missing picture
    """
    pictures = [inputs[name] for name in sorted(inputs) if inputs[name].ndim >= 2]
    flat = np.zeros(THUMBNAIL_PX**2, dtype=np.float16)
    if not pictures:
        return flat
    picture = pictures[0].astype(np.float32)
    picture = picture.reshape(-1, *picture.shape[-2:]).mean(axis=0)  # (H, W)
    rows, columns = np.flatnonzero(np.ptp(picture, axis=1)), np.flatnonzero(np.ptp(picture, axis=0))
    if not len(rows):
        return flat
    picture = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    picture = _resized(_resized(picture).T).T
    spread = max(float(picture.std()), 1e-6)
    standard: np.ndarray = ((picture - picture.mean()) / spread).astype(np.float16)
    return standard.ravel()


def comparison(thumbnails: np.ndarray) -> Compare:
    """Whether two rows of `thumbnails`, (N, P) as `thumbnail` makes them, show the same picture."""

    def alike(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        result = np.zeros(len(left), dtype=bool)
        for start in range(0, len(left), _PAIRS):
            block = slice(start, start + _PAIRS)
            a = thumbnails[left[block]].astype(np.float32)
            b = thumbnails[right[block]].astype(np.float32)
            result[block] = np.einsum("np,np->n", a, b) / a.shape[1] >= CORRELATION
        return result

    return alike


def _resized(picture: np.ndarray) -> np.ndarray:
    """(H, W) → (32, W): means of as many rows as fall together, or rows repeated where H < 32."""
    edges = np.arange(THUMBNAIL_PX) * len(picture) // THUMBNAIL_PX
    together = np.maximum(np.diff(np.append(edges, len(picture))), 1)
    sums: np.ndarray = np.add.reduceat(picture, edges, axis=0)
    means: np.ndarray = sums / together[:, None]
    return means


def _numbered(content: np.ndarray) -> np.ndarray:
    """(N,) numbers that are equal where the content is; an unknown content equals no other."""
    numbers: dict[Any, int] = {}
    return np.array(
        [
            -1 - row if key is None else numbers.setdefault(key, len(numbers))
            for row, key in enumerate(content)
        ],
        dtype=np.int64,
    )
