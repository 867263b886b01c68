"""Plain grey PNG by the fast decoder: the same pixels, and the same refusals, as by Pillow."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from medpipe.errors import UnreadableError
from medpipe.io import image, png

LIMITS = {"max_side_px": 4096, "min_side_px": 4, "max_pixels": 1_000_000}
FILM = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (60, 48), np.uint8), (0, 0), 2)


def saved(pixels, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", **options)
    return buffer.getvalue()


def chunk(name, body, *, crc=None):
    crc = zlib.crc32(name + body) if crc is None else crc
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)


def made(*, rows=60, columns=48, how=(8, 0, 0, 0, 0), levels=FILM, extra=b"", idat=None):
    """A PNG of our own, whose header may say what is not so."""
    lines = b"".join(b"\0" + line.tobytes() for line in levels)
    header = chunk(b"IHDR", struct.pack(">II5B", columns, rows, *how))
    body = chunk(b"IDAT", zlib.compress(lines) if idat is None else idat)
    return png.MAGIC + header + extra + body + chunk(b"IEND", b"")


def noted():
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", "turned")
    return notes


def by_pillow(data):
    """Outcome of `image.read` without the fast decoder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(png, "_decode", None)
        return outcome(data)


def outcome(data):
    try:
        pixels, facts = image.read(data, limits=LIMITS)
    except UnreadableError as error:
        return str(error), error.fault
    return pixels.tobytes(), facts


EXIF = Image.Exif()
EXIF[0x0112] = 6
OTHERS = {
    "colour": saved(np.dstack([FILM] * 3)),
    "16 bits": saved(FILM.astype(np.uint16) * 257),
    "palette": made(how=(8, 3, 0, 0, 0), extra=chunk(b"PLTE", bytes(range(256)) * 3)),
    "transparent": saved(FILM, transparency=7),
    "turned": saved(FILM, exif=EXIF),
    "with text": saved(FILM, pnginfo=noted()),
    "interlaced": made(how=(8, 0, 0, 0, 1)),
    "a chunk nobody knows": made(extra=chunk(b"anNo", b"x")),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_plain_is_left_to_pillow(name):
    assert png.size(OTHERS[name]) is None
    assert outcome(OTHERS[name]) == by_pillow(OTHERS[name])


@pytest.mark.parametrize(
    "data",
    [saved(FILM), image.encode_png(FILM), made(), made(extra=chunk(b"pHYs", bytes(9)))],
    ids=["Pillow's", "ours", "by hand", "with a density"],
)
def test_plain_grey_has_the_same_pixels_and_facts(data):
    assert png.size(data) == FILM.shape
    np.testing.assert_array_equal(png.decode(data, *FILM.shape), FILM)
    np.testing.assert_array_equal(image.decode_png(data), FILM)
    assert outcome(data) == by_pillow(data)
    assert outcome(data)[1] == {"height_px": 60, "width_px": 48, "bits_stored": 8}


LINES = b"".join(b"\0" + line.tobytes() for line in FILM)
DAMAGED = {
    "claims more rows than it holds": made(rows=90),
    "claims fewer rows than it holds": made(rows=30),
    "too small": made(rows=1, columns=1),
    "inflates to a hundred times its pixels": made(idat=zlib.compress(LINES * 100)),
    "holds no pixels": made(idat=b""),
    "holds no deflate": made(idat=b"\x78\x9c" + bytes(50)),
    "a filter that there is not": made(idat=zlib.compress(b"\x09" + LINES[1:])),
    "cut in the header": saved(FILM)[:25],
    "cut in the middle": saved(FILM)[:400],
    "without its end": saved(FILM)[:-12],
    "with more after its end": saved(FILM) + b"more",
    "length of a chunk beyond the file": made(extra=struct.pack(">I4s", 1 << 30, b"pHYs")),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_damaged_is_read_or_refused_as_by_pillow(name):
    assert outcome(DAMAGED[name]) == by_pillow(DAMAGED[name])


@pytest.mark.parametrize(
    ("rows", "columns", "fault"),
    [(60_000, 60_000, "size"), (1, 48, "content"), (60, 0, "content"), (0, 0, "content")],
)
def test_a_size_beyond_the_limits_is_refused_before_memory_is_taken(rows, columns, fault):
    with pytest.raises(UnreadableError, match=f"{columns} × {rows} px") as refusal:
        image.read(made(rows=rows, columns=columns), limits=LIMITS)
    assert refusal.value.fault == fault


def test_bytes_changed_at_random_change_nothing_else():
    """Each with its CRC put right, so that the decoder has to look for itself."""
    rng, ends = random.Random(1), {"same": 0, "refused": 0, "sum": 0}
    packed = zlib.compress(LINES)
    for _ in range(1500):
        idat = bytearray(packed)
        for _ in range(rng.choice([1, 2, 5])):
            idat[rng.randrange(len(idat))] = rng.randrange(256)
        data = made(idat=bytes(idat))
        found, theirs = outcome(data), by_pillow(data)
        if found != theirs:  # the sum of all pixels, which zlib alone looks at
            assert isinstance(theirs[0], str)
            assert len(zlib.decompressobj(-15).decompress(bytes(idat[2:]))) >= len(LINES)
        ends["sum" if found != theirs else "refused" if isinstance(found[0], str) else "same"] += 1
    assert min(ends.values()) > 0


def test_a_panic_of_the_decoder_leaves_the_file_to_pillow(monkeypatch):
    panic = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})

    def panics(*given):
        raise panic

    monkeypatch.setattr(png, "_decode", panics)
    assert outcome(saved(FILM)) == by_pillow(saved(FILM))

    def stopped(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(png, "_decode", stopped)
    with pytest.raises(KeyboardInterrupt):
        image.read(saved(FILM), limits=LIMITS)


def test_without_the_decoder_everything_is_read():
    """As in an edge folder."""
    program = (
        "import sys; sys.modules['kornia_rs'] = None\n"
        "from medpipe.io import image, png\n"
        "data = sys.stdin.buffer.read()\n"
        "assert png.size(data) is None\n"
        "print(image.read(data, limits={'max_side_px': 64, 'min_side_px': 4, 'max_pixels': 9999}))"
    )
    done = subprocess.run([sys.executable, "-c", program], input=saved(FILM), capture_output=True)
    assert b"'width_px': 48" in done.stdout, done.stderr
