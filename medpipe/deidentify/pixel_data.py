"""Where the pixel data element of a DICOM file begins and ends, found without decoding it.

What follows it (digital signatures, trailing padding, private groups above 7FE1) identifies or is
void, so that only the element itself is passed on.
"""

from __future__ import annotations

import struct

from medpipe.errors import UnreadableError

_UNDEFINED = 0xFFFFFFFF
_ITEM = 0xE000
_END = 0xE0DD
_VRS = (b"OB", b"OW", b"OF", b"OD", b"UN")
"""All of them have the long form of header: tag, VR, two reserved bytes, four of length."""


def pixel_element(data: bytes, start: int, *, implicit: bool, little_endian: bool) -> memoryview:
    """The bytes of the pixel data element of `data` that begins at `start`, as a view.

    Parameters
    ----------
    data : the whole file
    start : offset of the element's tag; at the end of the file there is none, and the view is empty
    implicit, little_endian : how the data set is encoded, PS3.5 7.1

    Raises
    ------
    UnreadableError : the element has no end inside the file, or a VR that pixels cannot have
    """
    if start >= len(data):
        return memoryview(b"")
    order = "<" if little_endian else ">"
    try:
        if not implicit and data[start + 4 : start + 6] not in _VRS:
            raise UnreadableError("the pixel data have a VR that pixels cannot have")
        value = start + (8 if implicit else 12)
        (length,) = struct.unpack_from(order + "I", data, value - 4)
        end = _end_of_items(data, value, order) if length == _UNDEFINED else value + length
    except struct.error:
        end = len(data) + 1
    if end > len(data):
        raise UnreadableError("the pixel data are cut short: the file ends before they do")
    return memoryview(data)[start:end]


def _end_of_items(data: bytes, position: int, order: str) -> int:
    """The offset after the sequence delimiter of encapsulated pixel data, PS3.5 A.4."""
    while True:
        group, element, length = struct.unpack_from(order + "HHI", data, position)
        position += 8
        if (group, element) == (0xFFFE, _END):
            return position
        if (group, element) != (0xFFFE, _ITEM) or length == _UNDEFINED:
            raise UnreadableError("the pixel data are damaged: a fragment has no length")
        position += length
