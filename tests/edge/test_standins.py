"""Stand-ins against the libraries that they stand in for."""

from __future__ import annotations

import io

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


def test_a_cut_or_damaged_png_is_an_error_and_never_an_image():
    data = cv2.imencode(".png", noise(9, 9))[1].tobytes()
    for broken in (data[:60], data[:-20], data[:70] + b"?" + data[71:]):
        with pytest.raises(OSError, match=r"cut off|damaged"):
            np.asarray(Plain.open(io.BytesIO(broken), formats=["PNG"]))


def test_what_only_pillow_can_read_says_so():
    for image, name in ((np.zeros((9, 9, 3), np.uint8), ".png"), (noise(9, 9), ".jpg")):
        data = cv2.imencode(name, image)[1].tobytes()
        with pytest.raises(UnreadableError, match="pip install pillow"):
            Plain.open(io.BytesIO(data), formats=["PNG", "JPEG"])
