"""Small files that ask for much: memory, time, or both."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import cv2
import jpeg_ls
import numpy as np
from dicom_bytes import dicom_bytes
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

MIB = 1 << 20
SIDE = 2000
"""Within the limits of the tests: what is asked for beyond it must cost nothing."""
MODALITY, PIXELS = b"\x08\0\x60\0", b"\xe0\x7f\x10\0"  # tags
NOISE = np.random.default_rng(0).integers(0, 4096, (64, 64), dtype=np.uint16)


def zeros(mib: int, *, wbits: int) -> bytes:
    """So many MiB of zeros, deflated: a thousandth of that."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return b"".join([*(squeezer.compress(bytes(MIB)) for _ in range(mib)), squeezer.flush()])


def png(height: int, width: int, *, pixels: bytes, extra: bytes = b"") -> bytes:
    """A grey PNG of 8 bits with these deflated pixels, and chunks before them."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def progressive(scans: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again, cut off after its header."""
    buffer = io.BytesIO()
    Image.new("L", (SIDE, SIDE)).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data.rfind(b"\xff\xda")
    return data[:last] + data[last : last + 14] * scans + b"\xff\xd9"


def frame(syntax: UID, stream: bytes, *, side: int = SIDE, bits: int = 16) -> bytes:
    """A DICOM file of side × side px with this stream for pixels."""
    facts = {"Rows": side, "Columns": side, "BitsAllocated": bits, "BitsStored": bits}
    facts |= {"HighBit": bits - 1, "PixelRepresentation": 0, "PixelData": encapsulate([stream])}
    return dicom_bytes(None, syntax=syntax, **facts)


def jpeg_2000(
    *,
    side: int = SIDE,
    components: int = 1,
    tile: int = SIDE,
    precinct: int | None = None,
    block: int = 4,
    layers: int = 1,
) -> bytes:
    """A stream of 64 × 64 px whose headers claim something else.

    precinct : exponent of its side; block : exponent of a code-block's side, less 2
    """
    data = bytearray(_stream(cv2.imencode(".jp2", NOISE)[1].tobytes()))
    struct.pack_into(">6I", data, 8, side, side, 0, 0, tile, tile)
    at = data.index(b"\xff\x52")
    (length,) = struct.unpack_from(">H", data, at + 2)
    style = bytearray(data[at + 4 : at + 2 + length])
    struct.pack_into(">H", style, 2, layers)
    style[6] = style[7] = block
    if precinct is not None:
        style[0] |= 1
        style[10:] = bytes([precinct * 0x11]) * (style[5] + 1)
    data[at : at + 2 + length] = b"\xff\x52" + struct.pack(">H", len(style) + 2) + style
    data[42:45] = data[42:45] * components
    struct.pack_into(">H", data, 40, components)
    struct.pack_into(">H", data, 4, 38 + 3 * components)
    return bytes(data)


def _stream(file: bytes) -> bytes:
    return file[file.index(b"\xff\x4f\xff\x51") :]


def with_decoy() -> bytes:
    """A JP2 file with the beginning of a modest stream in a box before the real one."""
    file = cv2.imencode(".jp2", NOISE)[1].tobytes()
    decoy = jpeg_2000()[:60]
    box = struct.pack(">I", len(decoy) + 8) + b"free" + decoy
    huge = _stream(file).replace(struct.pack(">2I", 64, 64), struct.pack(">2I", 30_000, 30_000), 1)
    return file[:12] + box + file[12 : -len(huge)] + huge


def tile_header() -> bytes:
    """A stream whose main header is modest, and whose tile says anew how it is cut up."""
    data = jpeg_2000(tile=SIDE)
    fine = jpeg_2000(precinct=0)
    at = fine.index(b"\xff\x52")
    style = fine[at : at + 2 + struct.unpack_from(">H", fine, at + 2)[0]]
    start = data.index(b"\xff\x90")
    size = struct.unpack_from(">I", data, start + 6)[0]
    grown = bytearray(data[start : start + 12])
    struct.pack_into(">I", grown, 6, size + len(style) if size else 0)
    return data[:start] + bytes(grown) + style + data[start + 12 :]


def fill_bytes(stream: bytes, marker: int, side: int) -> bytes:
    """A stream that claims another size, behind fill bytes that some readers stumble over."""
    data = bytearray(stream)
    struct.pack_into(">2H", data, data.index(bytes([0xFF, marker])) + 5, side, side)
    return bytes(data[:2]) + b"\xff\xff\xff" + bytes(data[2:])


def jpeg(*, marker: int) -> bytes:
    data = cv2.imencode(".jpg", np.zeros((64, 64), np.uint8))[1].tobytes()
    return data.replace(b"\xff\xc0", bytes([0xFF, marker]))


def deflated(
    mib: int, *, group_length: int | None = None, pixels: bytes = PIXELS + b"OW\0\0"
) -> bytes:
    """A deflated DICOM file with so many MiB of pixels, which may lie about its meta header."""
    plain = dicom_bytes(NOISE, syntax=DeflatedExplicitVRLittleEndian)
    start = 144 + int.from_bytes(plain[140:144], "little")
    inside = zlib.decompress(plain[start:], -zlib.MAX_WBITS)
    at = inside.index(PIXELS)
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    long = inside[:at] + pixels + struct.pack("<I", mib * MIB)
    parts = [squeezer.compress(long), *(squeezer.compress(bytes(MIB)) for _ in range(mib))]
    head = bytearray(plain[:start])
    if group_length is not None:
        struct.pack_into("<I", head, 140, group_length)
    return bytes(head) + b"".join(parts) + squeezer.flush()


def implicit(body: bytes, *, before: bytes) -> bytes:
    """A small readable file with `body` put in before the element that begins with `before`."""
    data = dicom_bytes(NOISE, syntax=ImplicitVRLittleEndian)
    at = data.index(before, 300)
    return data[:at] + body + data[at:]


def element(group: int, number: int, value: bytes, *, length: int | None = None) -> bytes:
    return struct.pack("<HHI", group, number, len(value) if length is None else length) + value


def elements(count: int) -> bytes:
    """Empty private elements, one after the other."""
    numbers = np.zeros((count, 4), "<u2")
    numbers[:, 0], numbers[:, 1] = 0x0011 + 2 * (np.arange(count) >> 16), np.arange(count)
    return numbers.tobytes()


def items(count: int) -> bytes:
    return element(0xFFFE, 0xE000, b"") * count


UNDEFINED = 0xFFFFFFFF
END = element(0xFFFE, 0xE0DD, b"")

IMAGES: dict[str, Callable[[], bytes]] = {
    "zip in zip": lambda: b"PK\x03\x04" + zeros(64, wbits=-15),
    "gzip": lambda: zeros(64, wbits=31),
    "png of 3.6 gigapixels": lambda: png(60_000, 60_000, pixels=zeros(64, wbits=15)),
    "png of 169 megapixels": lambda: png(13_000, 13_000, pixels=zeros(64, wbits=15)),
    "png with a profile of 64 MiB": lambda: png(
        64, 64, pixels=b"", extra=chunk(b"iCCP", b"k\0\0" + zeros(64, wbits=15))
    ),
    "png with a text of 64 MiB": lambda: png(
        64, 64, pixels=b"", extra=chunk(b"zTXt", b"k\0\0" + zeros(64, wbits=15))
    ),
    "jpeg with 10 000 scans": lambda: progressive(10_000),
    "jpeg of 4 gigapixels": lambda: fill_bytes(jpeg(marker=0xC0), 0xC0, 65_535),
}
"""Name → a file that is refused."""

FILMS: dict[str, Callable[[], bytes]] = {
    "rows × columns": lambda: dicom_bytes(NOISE, Rows=65_535, Columns=65_535),
    "rows × columns without pixels": lambda: dicom_bytes(NOISE, Rows=SIDE, Columns=SIDE),
    "deflated": lambda: deflated(64),
    "deflated, wrong group length": lambda: deflated(64, group_length=4),
    "deflated, huge group length": lambda: deflated(64, group_length=2**32 - 1),
    "deflated zeros, each eight an element": lambda: deflated(8, pixels=b""),
    "two million elements": lambda: implicit(elements(2_000_000), before=MODALITY),
    "two million elements in items": lambda: implicit(
        element(8, 0x51, element(0xFFFE, 0xE000, elements(2_000_000)) + END, length=UNDEFINED),
        before=MODALITY,
    ),
    "a million items": lambda: implicit(
        element(8, 0x51, items(1_000_000) + END, length=UNDEFINED), before=MODALITY
    ),
    "a million lookup tables": lambda: implicit(
        element(0x28, 0x3010, items(1_000_000)), before=PIXELS
    ),
    "a long lookup table": lambda: implicit(
        element(
            0x28,
            0x3010,
            element(0xFFFE, 0xE000, element(0x28, 0x3002, bytes(16 * MIB))) + END,
            length=UNDEFINED,
        ),
        before=PIXELS,
    ),
    "two million windows": lambda: implicit(
        element(0x28, 0x1050, b"1\\" * 2_000_000), before=PIXELS
    ),
    "two million character sets": lambda: implicit(
        element(8, 5, b"a\\" * 2_000_000), before=MODALITY
    ),
    "character sets in an item": lambda: implicit(
        element(
            8,
            0x51,
            element(0xFFFE, 0xE000, element(8, 5, b"a\\" * 2_000_000), length=UNDEFINED)
            + element(0xFFFE, 0xE00D, b"")
            + END,
            length=UNDEFINED,
        ),
        before=MODALITY,
    ),
    "deep sequences": lambda: implicit(
        (element(8, 0x51, b"", length=UNDEFINED) + element(0xFFFE, 0xE000, b"", length=UNDEFINED))
        * 5000,
        before=MODALITY,
    ),
    "a million fragments": lambda: frame(JPEG2000Lossless, b"\0\0").replace(
        items(1), items(1_000_000), 1
    ),
    "jpeg 2000 of another size": lambda: frame(JPEG2000Lossless, jpeg_2000(side=60_000)),
    "jpeg 2000 behind a decoy": lambda: frame(JPEG2000Lossless, with_decoy()),
    "jpeg 2000 with 3000 components": lambda: frame(JPEG2000Lossless, jpeg_2000(components=3000)),
    "jpeg 2000 in small tiles": lambda: frame(JPEG2000Lossless, jpeg_2000(tile=4)),
    "jpeg 2000 in small precincts": lambda: frame(JPEG2000Lossless, jpeg_2000(precinct=0)),
    "jpeg 2000 in small precincts of a tile": lambda: frame(JPEG2000Lossless, tile_header()),
    "jpeg 2000 in many layers": lambda: frame(JPEG2000Lossless, jpeg_2000(layers=65_535)),
    "jpeg 2000, cut off": lambda: frame(JPEG2000Lossless, jpeg_2000()[:-1000]),
    "jpeg-ls behind fill bytes": lambda: frame(
        JPEGLSLossless, fill_bytes(bytes(jpeg_ls.encode_array(NOISE)), 0xF7, 60_000)
    ),
    "jpeg behind fill bytes": lambda: frame(
        JPEGBaseline8Bit, fill_bytes(jpeg(marker=0xC0), 0xC0, 13_000), bits=8
    ),
    "lossless jpeg behind fill bytes": lambda: frame(
        JPEGLosslessSV1, fill_bytes(jpeg(marker=0xC3), 0xC3, 60_000), bits=8
    ),
    "jpeg with 10 000 scans": lambda: frame(JPEGBaseline8Bit, progressive(10_000), bits=8),
    "rle that runs on": lambda: frame(
        RLELossless, struct.pack("<16I", 2, 64, 2064, *[0] * 13) + b"\x81\0" * MIB, side=64
    ),
}
"""Name → a DICOM file that is refused."""
