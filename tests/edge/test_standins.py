"""Stand-ins against the libraries that they stand in for."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from medpipe.edge.standins import cv2 as plain
from medpipe.edge.standins.PIL import Image as Plain
from medpipe.errors import UnreadableError

SIDE = st.integers(2, 90)


def noise(height, width, *, kind=np.uint8, seed=0):
    top = np.iinfo(kind).max
    return np.random.default_rng(seed).integers(0, top, (height, width), dtype=kind, endpoint=True)


@settings(max_examples=150, deadline=None)
@given(SIDE, SIDE, SIDE, SIDE, st.sampled_from([np.uint8, np.uint16]))
@example(512, 430, 64, 54, np.uint8)  # its sums are of single precision, and in its order
@example(400, 300, 200, 150, np.uint8)  # halves go up
def test_an_image_is_resized_as_opencv_does_it(height, width, new_height, new_width, kind):
    image, size = noise(height, width, kind=kind), (new_width, new_height)
    theirs = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    ours = plain.resize(image, size, interpolation=plain.INTER_AREA)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("spread", [1, 20, 60])
def test_grey_levels_are_equalised_as_opencv_does_it(spread):
    values = np.random.default_rng(1).normal(90, spread, (64, 60)).clip(0, 255).astype(np.uint8)
    np.testing.assert_array_equal(plain.equalizeHist(values), cv2.equalizeHist(values))
    even = np.full((8, 8), 7, np.uint8)
    np.testing.assert_array_equal(plain.equalizeHist(even), cv2.equalizeHist(even))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("filtered", ["none", "sub", "up", "avg", "paeth"])
def test_every_filter_of_png_is_read_as_pillow_reads_it(kind, filtered):
    image = np.sort(noise(17, 23, kind=kind), axis=1)
    chosen = getattr(cv2, f"IMWRITE_PNG_FILTER_{filtered.upper()}")
    data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_FILTER, chosen])[1].tobytes()
    with Plain.open(io.BytesIO(data), formats=["PNG"]) as picture:
        assert (picture.width, picture.height) == (23, 17)
        np.testing.assert_array_equal(np.asarray(picture), image)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), image)


def chunk(kind, content):
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=20), st.sampled_from([0, 2, 3, 4, 6]), st.binary(max_size=7))
def test_whole_chunks_of_nonsense_are_an_error_and_never_another_one(data, colour, palette):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, colour, 0, 0, 0))
    parts = [
        header,
        chunk(b"PLTE", palette),
        chunk(b"IDAT", zlib.compress(data)),
        chunk(b"IEND", b""),
    ]
    for made in (parts, [header, parts[1], chunk(b"IDAT", data), parts[3]], parts[1:]):
        file = io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(made))
        try:
            levels = Plain.open(file, formats=["PNG"]).convert("L")
        except OSError:
            continue
        assert levels.shape == (2, 3)


def test_a_cut_or_damaged_png_is_an_error_and_never_an_image():
    data = cv2.imencode(".png", noise(9, 9))[1].tobytes()
    for broken in (data[:60], data[:-20], data[:70] + b"?" + data[71:]):
        with pytest.raises(OSError, match=r"cut off|damaged"):
            np.asarray(Plain.open(io.BytesIO(broken), formats=["PNG"]))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_colours_become_the_grey_levels_that_pillow_makes_of_them(mode):
    colours = np.random.default_rng(2).integers(0, 256, (20, 31, 4), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(colours, "RGBA").convert("RGB").convert(mode).save(file, "PNG")
    theirs = np.asarray(Image.open(file).convert("L"))
    ours = Plain.open(io.BytesIO(file.getvalue()), formats=["PNG"])
    assert ours.mode == mode
    np.testing.assert_array_equal(ours.convert("L"), theirs)


def test_what_only_pillow_can_read_says_so():
    turned, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # Orientation: a quarter to the right
    Image.fromarray(noise(9, 9)).save(turned, "PNG", exif=exif)
    colour16 = cv2.imencode(".png", np.zeros((9, 9, 3), np.uint16))[1].tobytes()
    jpeg = cv2.imencode(".jpg", noise(9, 9))[1].tobytes()
    for data in (turned.getvalue(), colour16, jpeg):
        with pytest.raises(UnreadableError, match="pip install pillow"):
            Plain.open(io.BytesIO(data), formats=["PNG", "JPEG"])
