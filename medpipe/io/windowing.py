"""From the stored values of a DICOM radiograph to its working image.

Resizing comes before windowing: mapping every pixel of a 2048 × 2048 image costs sixteen times more
than mapping the 512 × 512 that remain, and area means commute with the linear part of the mapping.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_voi

from medpipe.io.decoding import decode
from medpipe.io.image import shrink, stretch, to_grey

_REDUCIBLE = (np.uint8, np.uint16, np.int16)  # integer types that OpenCV reduces
_SIGMOID_SLOPE = 4.0  # PS3.3 C.11.2.1.3.1: the curve's steepness at the centre is 1 / width
_WHITE = 255


def working_image(dataset: Dataset, *, max_side_px: int) -> np.ndarray:
    """Decode, reduce, rescale, window and, for MONOCHROME1, invert.

    The window is the header's first; where there is none, or it misses the image, `stretch`.

    Returns
    -------
    uint8 (H, W), white where the body is dense

    Raises
    ------
    UnreadableError : the pixel data cannot be decoded
    """
    is_inverse = str(dataset.PhotometricInterpretation).strip() == "MONOCHROME1"
    stored = _without_padding(decode(dataset), dataset, is_inverse=is_inverse)
    if stored.dtype not in _REDUCIBLE:
        stored = stored.astype(np.float32)
    values = shrink(stored, max_side_px).astype(np.float32)
    values = values * np.float32(_number(dataset, "RescaleSlope", default=1.0))
    values += np.float32(_number(dataset, "RescaleIntercept", default=0.0))
    shown = _windowed(dataset, values)
    grey = stretch(values) if shown is None else shown
    return _WHITE - grey if is_inverse else grey


def _without_padding(stored: np.ndarray, dataset: Dataset, *, is_inverse: bool) -> np.ndarray:
    """`stored` with the pixels outside the image as dark as its darkest, PS3.3 C.7.5.1.1.2.

    Left as it is, padding of −32768 would take up the whole range of grey levels.
    """
    first = dataset.get("PixelPaddingValue")
    if first is None:
        return stored
    last = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((int(first), int(first if last is None else last)))
    is_image = (stored < low) | (stored > high)
    if is_image.all() or not is_image.any():
        return stored
    image = stored[is_image]
    darkest = image.max() if is_inverse else image.min()
    return np.where(is_image, stored, darkest)


def _windowed(dataset: Dataset, values: np.ndarray) -> np.ndarray | None:
    """`values` through the header's display window or table; None where it has none that fits.

    References
    ----------
    PS3.3 sections C.11.2.1.2 (linear), C.11.2.1.3.1 (sigmoid), C.11.2.1.3.2 (linear exact).
    """
    center = _number(dataset, "WindowCenter", default=None)
    width = _number(dataset, "WindowWidth", default=None)
    if center is None or width is None:
        return _looked_up(dataset, values)
    if width < 1 or center + width / 2 <= values.min() or center - width / 2 >= values.max():
        return None  # a window that shows one even ground is a mistake of the device
    function = str(dataset.get("VOILUTFunction") or "LINEAR").strip()
    if function == "SIGMOID":
        return to_grey(1 / (1 + np.exp(-_SIGMOID_SLOPE * (values - center) / width)))
    if function == "LINEAR_EXACT":
        return to_grey((values - center) / width + 0.5)
    steps = max(width - 1, np.finfo(np.float32).eps)  # width 1 is a step function
    return to_grey((values - (center - 0.5)) / steps + 0.5)


def _looked_up(dataset: Dataset, values: np.ndarray) -> np.ndarray | None:
    """`values` through the first VOI lookup table, PS3.3 C.11.2.1.1; None where there is none."""
    tables = dataset.get("VOILUTSequence")
    if not tables:
        return None
    bits = int(tables[0].LUTDescriptor[2])
    shown = apply_voi(np.rint(values).astype(np.int32), dataset)
    return to_grey(shown.astype(np.float32) / (2**bits - 1))


def _number(dataset: Dataset, keyword: str, *, default: Any) -> Any:
    """The first value of a decimal element, float; `default` where it is absent or no number."""
    value = dataset.get(keyword)
    if value is None or value == "":
        return default
    first = value if isinstance(value, (int, float, str)) else next(iter(value), default)
    try:
        number = float(first)
    except (TypeError, ValueError):
        return default
    return number if np.isfinite(number) else default
