"""Files made to cost much are refused before they do."""

import time

import bombs
import pytest

from medpipe.errors import UnreadableError
from medpipe.io import dicom, image, jpeg_2000

LIMITS = {"max_side_px": 64, "min_side_px": 2, "max_pixels": bombs.SIDE**2}
CPU_S = 2.0
"""Far above what a refusal takes, far below what any of these would."""


@pytest.mark.parametrize("name", bombs.IMAGES)
def test_an_image_that_asks_for_much_is_refused(name):
    data = bombs.IMAGES[name]()
    started = time.process_time()
    with pytest.raises(UnreadableError):
        image.read(data, limits=LIMITS)
    assert time.process_time() - started < CPU_S


@pytest.mark.parametrize("name", bombs.FILMS)
def test_a_film_that_asks_for_much_is_refused(name):
    data = bombs.FILMS[name]()
    started = time.process_time()
    with pytest.raises(UnreadableError):
        dicom.read(data, limits=LIMITS)
    assert time.process_time() - started < CPU_S


@pytest.mark.parametrize(
    "options", [{}, {"tile": 64}, {"precinct": 5}, {"block": 2}, {"layers": 100}]
)
def test_a_stream_that_is_cut_up_as_encoders_do_is_examined_and_left(options):
    side = 64 if options.get("tile") else bombs.SIDE
    found = jpeg_2000.examine(bombs.jpeg_2000(side=side, **options))
    assert (found.rows, found.columns, found.bits, found.is_signed) == (side, side, 16, False)
