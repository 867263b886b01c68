"""What a JPEG or JPEG-LS stream says of itself before anything is decoded: size and scans.

References
----------
ISO/IEC 10918-1 (ITU-T T.81) annex B; ISO/IEC 14495-1 (ITU-T T.87) annex C.
"""

from __future__ import annotations

import struct

from medpipe.errors import UnreadableError

_SOI, _SCAN, _FILL = b"\xff\xd8", b"\xff\xda", 0xFF
_LS_FRAME = 0xF7
_NOT_FRAMES = (0xC4, 0xC8, 0xCC)  # Huffman tables, extensions, arithmetic: T.81 table B.1
_SCANS_MAX = 500
"""A progressive image is sent in about ten passes, and each costs a walk over all its pixels; the
two bytes that begin one can also stand in a thumbnail or a profile."""


def size(stream: bytes) -> tuple[int, int] | None:
    """Rows and columns in the frame header; None if there is none.

    Raises
    ------
    struct.error, IndexError : cut off before it
    """
    at = len(_SOI)
    while stream.startswith(_SOI) and stream[at] == _FILL:
        marker = stream[at + 1]
        if marker == _FILL:  # any number of them may stand before a marker
            at += 1
            continue
        if marker == _LS_FRAME or (0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES):
            rows, columns = struct.unpack_from(">2H", stream, at + 5)
            return rows, columns
        at += 2 + int(struct.unpack_from(">H", stream, at + 2)[0])
    return None


def check_scans(stream: bytes) -> None:
    """Refuse more passes over the image than any encoder makes. Raises UnreadableError."""
    scans = stream.count(_SCAN)
    if scans > _SCANS_MAX:
        raise UnreadableError(
            f"the image is sent in {scans} passes; at most {_SCANS_MAX} are read: export it again",
            fault="size",
        )
