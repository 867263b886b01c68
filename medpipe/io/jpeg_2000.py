"""What a JPEG 2000 stream says of itself before anything is decoded: size, and how it is cut up.

A decoder makes a structure for each precinct, code-block, layer and component that the headers
claim, whether or not there is anything in it: a stream of a few hundred bytes could ask for many
GiB. Everything that a tile's own header may say anew is therefore looked at too.

References
----------
ISO/IEC 15444-1 (ITU-T T.800) annex A, for the segments and their fields; annex I, for the boxes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from medpipe.errors import UnreadableError

_SOC, _SIZ, _COD, _COC, _SOT, _SOD, _EOC = 0xFF4F, 0xFF51, 0xFF52, 0xFF53, 0xFF90, 0xFF93, 0xFFD9
_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"  # of a JP2 file, which may stand around a stream
_STREAM_BOX = b"jp2c"
_SEGMENTS_MAX = 100_000
_TILES_MAX = 10_000  # 64 × 64 px each, in a film of 40 megapixels
_LAYERS_MAX = 128
_PRECINCTS_MAX = 200_000  # 32 × 32 samples each, in a film of 150 megapixels
_CODE_BLOCKS_MAX = 500_000  # 16 × 16 samples each, in one of 100 megapixels


@dataclass(frozen=True)
class Stream:
    """A stream of one component.

    Parameters
    ----------
    rows, columns : px
    bits : of a sample
    """

    rows: int
    columns: int
    bits: int
    is_signed: bool


def examine(data: bytes) -> Stream:
    """What the headers in `data` say.

    Raises
    ------
    UnreadableError : cut up into more pieces than any radiograph is
    ValueError, IndexError, ArithmeticError, struct.error : not a JPEG 2000 stream of one component,
        or a damaged one
    """
    found: Stream | None = None
    for marker, body in _segments(data, _beginning(data)):
        if marker == _SIZ:
            found = _size(body)
        elif marker in (_COD, _COC) and found is not None:
            _check_pieces(body, found, is_default=marker == _COD)
    if found is None:
        raise ValueError("no SIZ segment")
    return found


def _beginning(data: bytes) -> int:
    """Where the stream begins: at once, as DICOM has it, or in the boxes of a JP2 file."""
    at = 0
    while data.startswith(_SIGNATURE):
        length, kind = struct.unpack_from(">I4s", data, at)
        header = 16 if length == 1 else 8
        if kind == _STREAM_BOX:
            return at + header
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, at + 8)
        if length < header:
            raise ValueError("a box without an end")
        at += length
    return at


def _segments(data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Marker and body of each segment, in the main header and in those of the tile-parts."""
    if struct.unpack_from(">H", data, at)[0] != _SOC:
        raise ValueError("no start of a stream")
    at += 2
    end = 0
    for _ in range(_SEGMENTS_MAX):
        if at + 2 > len(data):
            return  # cut off after a tile-part, which decoders forgive
        (marker,) = struct.unpack_from(">H", data, at)
        if marker == _EOC:
            return
        if marker == _SOD:  # the samples of this tile-part
            if end <= at:
                return  # it states no length: up to the end of the stream
            if end > len(data):
                raise ValueError("cut off")
            at = end
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        body = data[at + 4 : at + 2 + length]
        if marker == _SOT:
            (size,) = struct.unpack_from(">I", body, 2)
            end = at + size
        if length < 2 or len(body) != length - 2:
            raise ValueError("a segment that is none")
        yield marker, body
        at += 2 + length
    raise ValueError("more segments than there could be tiles")


def _size(body: bytes) -> Stream:
    right, bottom, left, top = struct.unpack_from(">4I", body, 2)
    components, depth = struct.unpack_from(">HB", body, 34)
    if components != 1:
        raise ValueError("not a grey image")
    wide, high, tiles_left, tiles_top = struct.unpack_from(">4I", body, 18)
    tiles = -(-(right - tiles_left) // wide) * -(-(bottom - tiles_top) // high)
    if tiles > _TILES_MAX:
        raise UnreadableError(
            f"the compressed image has {tiles} tiles; at most {_TILES_MAX} are read", fault="size"
        )
    return Stream(bottom - top, right - left, (depth & 0x7F) + 1, bool(depth & 0x80))


def _check_pieces(body: bytes, stream: Stream, *, is_default: bool) -> None:
    """Refuse more layers, precincts or code-blocks than `_LAYERS_MAX` and the others allow.

    Counted over the whole image, as if it were one tile.
    """
    style, at = body[0] if is_default else body[1], 5 if is_default else 2
    layers = struct.unpack_from(">H", body, 2)[0] if is_default else 1
    levels = body[at]
    code_blocks = stream.rows * stream.columns >> (body[at + 1] & 0xF) + (body[at + 2] & 0xF) + 4
    precincts = 0
    for level in range(levels + 1) if style & 1 else ():
        size = body[at + 5 + level]
        below = levels - level
        across = -(-stream.columns >> below) or 1, -(-stream.rows >> below) or 1
        precincts += -(-across[0] >> (size & 0xF)) * -(-across[1] >> (size >> 4))
    found, most = (layers, precincts, code_blocks), (_LAYERS_MAX, _PRECINCTS_MAX, _CODE_BLOCKS_MAX)
    if any(count > limit for count, limit in zip(found, most, strict=True)):
        raise UnreadableError(
            f"the compressed image is cut into {layers} layers, {precincts} precincts and "
            f"{code_blocks} code-blocks, more than any radiograph; export it again",
            fault="size",
        )
