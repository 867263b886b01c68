"""Plain grey PNG, decoded in half the time: eight bits, not interlaced, nothing that changes it.

kornia-rs has the PNG decoder of Rust's image libraries, which inflates twice as fast as zlib in
Pillow and OpenCV. Whatever else a PNG may hold, and whatever that decoder refuses, is left to
Pillow, so that every file is read, or refused, as Pillow does it. One difference is known: the sum
that zlib keeps of all pixels is not looked at, only that of each chunk. An edge folder has numpy
and ONNX Runtime alone, and reads every PNG by its own stand-in.

References
----------
W3C, Portable Network Graphics (PNG) Specification, third edition, sections 5 and 11.
"""

from __future__ import annotations

import struct

import numpy as np

try:
    from kornia_rs.io import decode_image_png_u8 as _decode
except ImportError:  # in an edge folder
    _decode = None  # type: ignore[assignment]

MAGIC = b"\x89PNG\r\n\x1a\n"
_CHUNK = struct.Struct(">I4s")
"""Length and name; its content follows, and four bytes of CRC."""
_HEADER = struct.Struct(">I4sIIBBBBB")
"""The first chunk: columns, rows, bit depth, colour type, compression, filter, interlace."""
_PLAIN = (13, b"IHDR"), (8, 0, 0, 0, 0)
_CRC_BYTES = 4
_PANICS_OF = "pyo3_runtime"
_NEUTRAL = frozenset({b"IDAT", b"pHYs", b"tIME", b"sRGB", b"gAMA", b"cHRM", b"bKGD", b"sBIT"})
"""Chunks that change neither grey levels, as Pillow reads them, nor orientation."""


def size(data: bytes) -> tuple[int, int] | None:
    """Rows and columns of a PNG that `decode` may be asked about; None for every other.

    Only what stands around the pixels is looked at: nothing is decoded.
    """
    if _decode is None or not data.startswith(MAGIC) or len(data) < len(MAGIC) + _HEADER.size:
        return None
    length, name, columns, rows, *how = _HEADER.unpack_from(data, len(MAGIC))
    if ((length, name), tuple(how)) != _PLAIN or not _is_plain(data):
        return None
    return rows, columns


def decode(data: bytes, rows: int, columns: int) -> np.ndarray | None:
    """The grey levels, uint8 (rows, columns); None where Pillow has to judge.

    Parameters
    ----------
    rows, columns : by `size`, and held against the limits already: memory is taken for them
    """
    assert _decode is not None
    try:
        found = _decode(data, (rows, columns), "mono")
    except Exception:  # it raises nothing narrower for a file that is cut off or damaged
        return None
    except BaseException as error:  # what Rust calls a panic is no Exception
        if type(error).__module__ != _PANICS_OF:
            raise
        return None
    return np.asarray(found).reshape(rows, columns)


def _is_plain(data: bytes) -> bool:
    """Whether all chunks between the first and the last are of `_NEUTRAL`."""
    at = len(MAGIC) + _HEADER.size + _CRC_BYTES
    while at + _CHUNK.size <= len(data):
        length, name = _CHUNK.unpack_from(data, at)
        if name == b"IEND":
            return True
        if name not in _NEUTRAL:
            return False
        at += _CHUNK.size + length + _CRC_BYTES
    return False
