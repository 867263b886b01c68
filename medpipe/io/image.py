"""Radiographs as PNG and JPEG files, and what every working image has, whatever it came from.

A working image is the image as raw keeps it and the network sees it: 8-bit grey levels, white where
the body is dense, its longest side at most ``max_side_px``.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image, ImageOps

from medpipe.errors import UnreadableError
from medpipe.io import jpeg, png

Kind = Literal["dicom", "png", "jpeg"]

STRETCH_PERCENTILES = (0.5, 99.5)
"""Grey levels that become black and white where a file has no display window: a radiograph's
extremes are markers, collimator edges and dead pixels, not anatomy."""

_DICOM_MARK_AT = 128  # bytes of preamble before "DICM", PS3.10 section 7.1
_JPEG_MAGIC = b"\xff\xd8\xff"
_PNG_OPTIONS = [
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG),
]
"""Twice as fast to write as deflate's lowest level with the best filter of each line, and faster to
read; as small on real radiographs, a sixth smaller on noisy ones."""
_WHITE = 255
# What Pillow raises for broken content: SyntaxError for PNG chunks, OSError for the rest.
_PILLOW_ERRORS = (OSError, SyntaxError, ValueError, TypeError, IndexError, OverflowError)


def kind(data: bytes) -> Kind:
    """What format `data` is, by its first bytes; a file name is never asked.

    Raises
    ------
    UnreadableError : empty, or none of DICOM, PNG and JPEG
    """
    if not data:
        raise UnreadableError("the file is empty (0 bytes); send a DICOM, PNG or JPEG file")
    if data[_DICOM_MARK_AT : _DICOM_MARK_AT + 4] == b"DICM":
        return "dicom"
    if data.startswith(png.MAGIC):
        return "png"
    if data.startswith(_JPEG_MAGIC):
        return "jpeg"
    raise UnreadableError(
        "not an image file that is read here: DICOM (with 'DICM' at byte 128), PNG and JPEG are",
        fault="format",
    )


def read(data: bytes, *, limits: Mapping[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """The working image of a PNG or JPEG file, and what the file says of its pixels.

    Colour becomes luma (ITU-R 601), EXIF orientation is applied, 16-bit grey levels are stretched
    as `stretch` does, because a 12-bit detector's fill a sixteenth of the range.

    Parameters
    ----------
    limits : ``max_side_px``, ``min_side_px``, ``max_pixels``

    Returns
    -------
    uint8 (H, W); ``height_px``, ``width_px`` and ``bits_stored`` of the file, upright

    Raises
    ------
    UnreadableError : broken or cut off, or a size outside the limits (before anything is decoded)
    """
    levels = _plain(data, limits)
    if levels is None:
        levels = _any(data, limits)
    height, width = levels.shape
    facts = {"height_px": height, "width_px": width, "bits_stored": levels.dtype.itemsize * 8}
    small = shrink(levels, int(limits["max_side_px"]))
    return (small if small.dtype == np.uint8 else stretch(small.astype(np.float32))), facts


def check_size(height: int, width: int, limits: Mapping[str, Any]) -> None:
    """Refuse an image that is too small to show anything or too large to decode.

    Raises
    ------
    UnreadableError : a side below ``min_side_px``, or more than ``max_pixels`` pixels
    """
    if min(height, width) < limits["min_side_px"]:
        raise UnreadableError(
            f"{width} × {height} px is smaller than min_side_px {limits['min_side_px']}",
            fault="content",
        )
    if height * width > limits["max_pixels"]:
        raise UnreadableError(
            f"{width} × {height} px is more than max_pixels {limits['max_pixels']}", fault="size"
        )


def shrink(image: np.ndarray, max_side_px: int) -> np.ndarray:
    """`image` (H, W) with its longest side at most `max_side_px`, each pixel the mean of its area.

    Never enlarged. The aspect ratio is kept to the pixel.
    """
    height, width = image.shape
    longest = max(height, width)
    if longest <= max_side_px:
        return image
    size = tuple(max(1, round(side * max_side_px / longest)) for side in (width, height))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def stretch(image: np.ndarray) -> np.ndarray:
    """Grey levels between two percentiles spread over black to white.

    Parameters
    ----------
    image : float32 (H, W), any unit

    Returns
    -------
    uint8 (H, W); all 0 where the image has one value only
    """
    low, high = np.percentile(image, STRETCH_PERCENTILES)
    if high <= low:  # a few bright pixels on one even ground
        low, high = image.min(), image.max()
    if high <= low:
        return np.zeros(image.shape, np.uint8)
    return to_grey((image - low) / (high - low))


def to_grey(shares: np.ndarray) -> np.ndarray:
    """Shares of the range, 0…1 (beyond: clipped), as uint8 levels, rounded."""
    return np.clip(shares * _WHITE + 0.5, 0, _WHITE).astype(np.uint8)


def encode_png(image: np.ndarray) -> bytes:
    """A uint8 image, (H, W) or BGR (H, W, 3), as a PNG; the same bytes for the same pixels."""
    return bytes(cv2.imencode(".png", image, _PNG_OPTIONS)[1])


def decode_png(data: bytes) -> np.ndarray:
    """The uint8 (H, W) image that `encode_png` was given.

    Raises
    ------
    UnreadableError : `data` is not a whole PNG
    """
    found = png.size(data)
    image = None if found is None else png.decode(data, *found)
    if image is None and data:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise UnreadableError("a stored working image is not a PNG; run `medpipe ingest` anew")
    return np.asarray(image)


def pixel_hash(image: np.ndarray) -> str:
    """32 hexadecimal digits, equal where shape and every pixel are, whatever the file format.

    Taken of the working image, so that a copy under another name, header or lossless compression
    is found.
    """
    shape = ",".join(map(str, image.shape)).encode()
    digest = hashlib.blake2b(shape, digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def difference_hash(image: np.ndarray) -> str:
    """16 hexadecimal digits (64 bits) that differ in few bits where images look alike.

    Each bit says whether a cell of a 9 × 8 reduction is darker than its right neighbour, row by
    row; brightness and contrast do not change it.
    """
    cells = cv2.resize(image, (9, 8), interpolation=cv2.INTER_AREA)
    return np.packbits(cells[:, :-1] < cells[:, 1:]).tobytes().hex()


def _plain(data: bytes, limits: Mapping[str, Any]) -> np.ndarray | None:
    """Grey levels of a plain grey PNG; None of every other file, and of one that is damaged."""
    if (found := png.size(data)) is None:
        return None
    check_size(*found, limits)
    is_bomb = found[0] * found[1] > (Image.MAX_IMAGE_PIXELS or 0)
    return None if is_bomb else png.decode(data, *found)


def _any(data: bytes, limits: Mapping[str, Any]) -> np.ndarray:
    """Grey levels, uint8 or uint16 (H, W), by Pillow; raises as `read` does."""
    if data.startswith(_JPEG_MAGIC):
        jpeg.check_scans(data)
    try:
        with Image.open(io.BytesIO(data), formats=["PNG", "JPEG"]) as picture:
            check_size(picture.height, picture.width, limits)
            picture.draft("L", picture.size)  # a JPEG's luma without the detour over RGB
            upright = ImageOps.exif_transpose(picture)
            return _levels(upright)
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # where Pillow draws the line
        raise UnreadableError(
            f"the image has more than {most} pixels, the most that is decoded of a PNG or JPEG; "
            "send it smaller, or as DICOM",
            fault="size",
        ) from None
    except _PILLOW_ERRORS:
        raise UnreadableError(
            "the image cannot be decoded; the file is cut off or damaged: export it again"
        ) from None


def _levels(picture: Image.Image) -> np.ndarray:
    """Grey levels, uint8 or uint16 (H, W); decoding happens here."""
    if picture.mode.startswith("I"):  # 16-bit grey; 32-bit integers exist in no PNG
        return np.asarray(picture).astype(np.uint16)
    return np.asarray(picture.convert("L"))
