"""Stands in for Pillow's Image: PNG of 8 bits, or of 16-bit grey levels, not interlaced.

References
----------
Portable Network Graphics, W3C Recommendation: chunks (5), filters (9), kinds of colour (11.2.2).
ITU-R BT.601 (luma), in the whole numbers of Pillow's conversion.
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
_HEADER = struct.Struct(">IIBBBBB")
_MAGIC = b"\x89PNG\r\n\x1a\n"
_NEEDS_PILLOW = (
    "without Pillow only PNG files of 8 bits or of 16-bit grey levels are read, not interlaced and "
    "not turned; install it (pip install pillow), or send such a PNG"
)
_MODES = {(8, 0): "L", (16, 0): "I;16", (8, 2): "RGB", (8, 3): "P", (8, 4): "LA", (8, 6): "RGBA"}
"""Bits and kind of colour → what Pillow calls it."""
_CHANNELS = {"L": 1, "I;16": 1, "RGB": 3, "P": 1, "LA": 2, "RGBA": 4}
_LUMA = np.array([19595, 38470, 7471])  # of 65536
_MAY_TURN = (b"exif", b"xmp")
"""In the keyword of a text: Pillow looks for an orientation there."""


class DecompressionBombError(Exception):
    """More pixels than twice `MAX_IMAGE_PIXELS`."""


class Picture:
    """An opened PNG; decoded when its levels are asked for."""

    def __init__(self, data: bytes) -> None:
        self._chunks = _chunks(data)
        header = self._chunks.get(b"IHDR", b"")
        if len(header) != _HEADER.size:
            raise OSError("a part of the file is damaged")
        self.width, self.height, bits, colour, *_, interlaced = _HEADER.unpack(header)
        self.mode = _MODES.get((bits, colour), "")
        strange = {b"eXIf", b"tRNS"} & self._chunks.keys()
        if not self.mode or interlaced or strange or _may_turn(self._chunks):
            raise UnreadableError(_NEEDS_PILLOW, fault="coding")
        if not self.width * self.height:
            raise OSError("a part of the file is damaged")
        if self.width * self.height > 2 * MAX_IMAGE_PIXELS:
            raise DecompressionBombError
        self.size = (self.width, self.height)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def draft(self, mode: str, size: tuple[int, int]) -> None:
        """Nothing: that is for JPEG."""

    def convert(self, mode: str) -> np.ndarray:
        """Grey levels (H, W), uint8; what is transparent counts as it is."""
        if mode != "L" or self.mode == "I;16":
            raise UnreadableError(_NEEDS_PILLOW, fault="coding")
        pixels = self._pixels()
        if self.mode == "P":
            table = np.frombuffer(self._chunks.get(b"PLTE", b""), np.uint8)
            colours = table[: len(table) // 3 * 3].reshape(-1, 3)
            if int(pixels.max()) >= len(colours):
                raise OSError("a part of the file is damaged")
            pixels = colours[pixels[..., 0]]
        if pixels.shape[2] < 3:
            return np.asarray(pixels[..., 0])
        return np.asarray((pixels[..., :3] @ _LUMA + 0x8000) >> 16, np.uint8)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        levels = self._pixels()[..., 0]
        return levels if dtype is None else levels.astype(dtype)

    def _pixels(self) -> np.ndarray:
        """As they are stored, (H, W, channels)."""
        size = 2 if self.mode == "I;16" else 1
        step = _CHANNELS[self.mode] * size
        line = self.width * step
        wanted = self.height * (line + 1)
        try:
            found = zlib.decompressobj().decompress(self._chunks.get(b"IDAT", b""), wanted)
        except zlib.error:
            raise OSError("a part of the file is damaged") from None
        if len(found) != wanted:
            raise OSError("the file is cut off")
        rows = np.frombuffer(found, np.uint8).reshape(self.height, line + 1)
        above, lines = np.zeros(line, np.uint8), []
        for row in rows:
            above = _unfiltered(int(row[0]), row[1:], above, step)
            lines.append(above)
        levels = np.stack(lines).view(">u2" if size == 2 else "u1").astype(f"u{size}")
        return levels.reshape(self.height, self.width, -1)


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


def _may_turn(chunks: dict[bytes, bytes]) -> bool:
    texts = (chunks.get(kind, b"").lower() for kind in (b"tEXt", b"zTXt", b"iTXt"))
    return any(word in text for text in texts for word in _MAY_TURN)


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
