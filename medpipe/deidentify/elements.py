"""DICOM elements as bytes, PS3.5 section 7.

De-identification changes a few dozen values of a header; decoding the others into objects and
encoding them again would cost four times the whole job. So values stay the bytes that they are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
"""VRs with four bytes of length, PS3.5 table 7.1-1."""
_BINARY_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UI", "UN"})
_ITEM = 0xFFFEE000
IMPLEMENTATION_UID = "2.25.201370311861416104398160221262419838327"
"""Names this software as the writer of a file, PS3.10 7.1; a UUID drawn once."""


@dataclass(frozen=True)
class Encoding:
    """How a data set is written: with or without VRs, and in which byte order."""

    implicit: bool
    little_endian: bool

    def element(self, tag: int, vr: str, value: bytes) -> bytes:
        """One element; `value` is padded to even length as its VR asks."""
        if len(value) % 2:
            value += b"\0" if vr in _BINARY_VRS else b" "
        order = "<" if self.little_endian else ">"
        group, number = tag >> 16, tag & 0xFFFF
        if self.implicit:
            return struct.pack(order + "HHI", group, number, len(value)) + value
        if vr in LONG_VRS:
            head = struct.pack(order + "HH2s2xI", group, number, vr.encode(), len(value))
        else:
            head = struct.pack(order + "HH2sH", group, number, vr.encode(), len(value))
        return head + value

    def sequence(self, tag: int, items: Iterable[bytes]) -> bytes:
        """A sequence of items that are encoded already."""
        order = "<" if self.little_endian else ">"
        head = (_ITEM >> 16, _ITEM & 0xFFFF)
        value = b"".join(struct.pack(order + "HHI", *head, len(item)) + item for item in items)
        return self.element(tag, "SQ", value)


EXPLICIT_LITTLE = Encoding(implicit=False, little_endian=True)


def file_head(sop_class: str, sop_instance: str, transfer_syntax: str) -> bytes:
    """Preamble, prefix and meta group of a file, PS3.10 7.1, with nothing of the source's own."""
    meta = EXPLICIT_LITTLE.element(0x00020001, "OB", b"\0\1")
    for tag, uid in (
        (0x00020002, sop_class),
        (0x00020003, sop_instance),
        (0x00020010, transfer_syntax),
        (0x00020012, IMPLEMENTATION_UID),
    ):
        meta += EXPLICIT_LITTLE.element(tag, "UI", uid.encode("ascii"))
    length = EXPLICIT_LITTLE.element(0x00020000, "UL", struct.pack("<I", len(meta)))
    return bytes(128) + b"DICM" + length + meta
