"""Stands in for Pillow's Image: PNG of 8 or 16-bit grey levels, not interlaced.

References
----------
Portable Network Graphics, W3C Recommendation: chunks (5), filters (9).
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, Self

import numpy as np

from medpipe.errors import UnreadableError

MAX_IMAGE_PIXELS = 89_478_485
"""Pillow's own."""
_MAGIC = b"\x89PNG\r\n\x1a\n"
_NEEDS_PILLOW = (
    "only PNG files of grey levels are read without Pillow; install it (pip install pillow), or "
    "send such a PNG"
)


class DecompressionBombError(Exception):
    """More pixels than twice `MAX_IMAGE_PIXELS`."""


class Picture:
    """An opened PNG; decoded when its levels are asked for."""

    def __init__(self, data: bytes) -> None:
        self._chunks = _chunks(data)
        header = self._chunks.get(b"IHDR", b"")
        self.width, self.height, self._bits, colour, *_, interlaced = struct.unpack(
            ">IIBBBBB", header
        )
        strange = {b"eXIf", b"tRNS"} & self._chunks.keys()
        if colour or interlaced or self._bits not in (8, 16) or strange:
            raise UnreadableError(_NEEDS_PILLOW, fault="coding")
        if self.width * self.height > 2 * MAX_IMAGE_PIXELS:
            raise DecompressionBombError
        self.size = (self.width, self.height)
        self.mode = "L" if self._bits == 8 else "I;16"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def draft(self, mode: str, size: tuple[int, int]) -> None:
        """Nothing: that is for JPEG."""

    def convert(self, mode: str) -> Self:
        """Itself, where it has that mode."""
        if mode != self.mode:
            raise UnreadableError(_NEEDS_PILLOW, fault="coding")
        return self

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        levels = self._levels()
        return levels if dtype is None else levels.astype(dtype)

    def _levels(self) -> np.ndarray:
        step = self._bits // 8
        line = self.width * step
        wanted = self.height * (line + 1)
        found = zlib.decompressobj().decompress(self._chunks.get(b"IDAT", b""), wanted)
        if len(found) != wanted:
            raise OSError("the file is cut off")
        rows = np.frombuffer(found, np.uint8).reshape(self.height, line + 1)
        above, lines = np.zeros(line, np.uint8), []
        for row in rows:
            above = _unfiltered(int(row[0]), row[1:], above, step)
            lines.append(above)
        return np.stack(lines).view(">u2" if step == 2 else "u1").astype(f"u{step}")


def open(file: io.BytesIO, formats: list[str]) -> Picture:
    """The PNG in `file`. Raises UnreadableError where only Pillow could read it."""
    data = file.read()
    if not data.startswith(_MAGIC):
        raise UnreadableError(_NEEDS_PILLOW, fault="format")
    return Picture(data)


def _chunks(data: bytes) -> dict[bytes, bytes]:
    """Contents by chunk type, those of one type joined. Raises OSError where one is not whole."""
    found: dict[bytes, bytes] = {}
    at, kind = len(_MAGIC), b""
    while kind != b"IEND":
        head = data[at : at + 8]
        if len(head) < 8:
            raise OSError("the file is cut off")
        size, kind = struct.unpack(">I4s", head)
        content, check = data[at + 8 : at + 8 + size], data[at + 8 + size : at + 12 + size]
        if zlib.crc32(kind + content).to_bytes(4) != check:
            raise OSError("a part of the file is damaged")
        found[kind] = found.get(kind, b"") + content
        at += 12 + size
    return found


def _unfiltered(kind: int, row: np.ndarray, above: np.ndarray, step: int) -> np.ndarray:
    """One line of bytes without its filter; `step` is bytes per pixel."""
    if kind == 0:
        return row
    if kind == 1:
        return np.asarray(np.cumsum(row.reshape(-1, step), axis=0, dtype=np.uint8)).reshape(-1)
    if kind == 2:
        return np.asarray(row + above)
    if kind not in (3, 4):
        raise OSError(f"filter {kind} is none of PNG's")
    found, up = bytearray(row.tobytes()), above.tobytes()
    for place in range(len(found)):
        left = found[place - step] if place >= step else 0
        corner = up[place - step] if place >= step else 0
        guess = (left + up[place]) // 2 if kind == 3 else _paeth(left, up[place], corner)
        found[place] = (found[place] + guess) & 0xFF
    return np.frombuffer(bytes(found), np.uint8)


def _paeth(left: int, up: int, corner: int) -> int:
    """Whichever neighbour is nearest to left + up − corner."""
    by_left, by_up = abs(up - corner), abs(left - corner)
    by_corner = abs(left + up - 2 * corner)
    if by_left <= by_up and by_left <= by_corner:
        return left
    return up if by_up <= by_corner else corner
