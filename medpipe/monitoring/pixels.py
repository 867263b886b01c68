"""Facts of an image as the network sees it: what another scanner, or another setting, changes.

Taken of the encoded input, because that is what evaluate and the service have alike, whatever
became of the file. Grey levels are those of the encoding, 0 to 255; the even black that makes a
square of an image is no part of it.

References
----------
Immerkær 1996, Computer Vision and Image Understanding 64:300–302 (noise: what is left where a mask
takes away whatever is locally straight).
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from medpipe.monitoring.facts import Value

_NOISE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_NOISE_GAIN = 6.0
"""Standard deviation of the mask's result, of noise with standard deviation 1."""
_MEAN_SIZE = (np.pi / 2) ** 0.5
"""Of a normal variable: its standard deviation in terms of its mean size."""
_EDGE = 0.1
"""Of height and width, on each side: where an image of a body shows air, unless it is inverted."""
_WHITE = 255
_CHANNELS = (1, 3)


def of_inputs(inputs: Mapping[str, np.ndarray]) -> dict[str, Value]:
    """Facts of each image among the encoded `inputs` of one example, by name.

    An image is uint8 (1, H, W) or (3, H, W). "NAME, mean", "NAME, contrast" (standard deviation),
    "NAME, noise" (standard deviation), "NAME, saturated" (share of pixels, black or white) and
    "NAME, edge" (mean of the outer tenth less that of the rest); none where nothing is shown.
    """
    found: dict[str, Value] = {}
    for name, array in inputs.items():
        if array.dtype == np.uint8 and array.ndim == 3 and array.shape[0] in _CHANNELS:
            found |= {f"{name}, {what}": value for what, value in _of_image(array).items()}
    return found


def _of_image(array: np.ndarray) -> dict[str, Value]:
    grey = array[0] if array.shape[0] == 1 else array.mean(axis=0).round().astype(np.uint8)
    left, top, width, height = cv2.boundingRect(grey)  # of what is not 0
    if not width:
        return dict.fromkeys(("mean", "contrast", "noise", "saturated", "edge"))
    shown = np.ascontiguousarray(grey[top : top + height, left : left + width])
    mean, contrast = (float(value[0, 0]) for value in cv2.meanStdDev(shown))
    saturated = np.count_nonzero(shown == 0) + np.count_nonzero(shown == _WHITE)
    return {
        "mean": mean,
        "contrast": contrast,
        "noise": _noise(shown),
        "saturated": float(saturated / shown.size),
        "edge": _edge(shown, mean),
    }


def _noise(shown: np.ndarray) -> float | None:
    if min(shown.shape) < len(_NOISE):
        return None
    left = cv2.filter2D(shown, cv2.CV_32F, _NOISE)[1:-1, 1:-1]
    found: float = _MEAN_SIZE * cv2.norm(left, cv2.NORM_L1) / left.size / _NOISE_GAIN
    return found


def _edge(shown: np.ndarray, mean: float) -> float | None:
    rows, columns = (round(_EDGE * side) for side in shown.shape)
    inner = shown[rows : shown.shape[0] - rows, columns : shown.shape[1] - columns]
    outside = shown.size - inner.size
    if not outside:
        return None
    inside = float(cv2.mean(inner)[0])
    return (mean * shown.size - inside * inner.size) / outside - inside
