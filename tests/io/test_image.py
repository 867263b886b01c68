"""PNG and JPEG radiographs, and what is computed of every working image."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from medpipe.errors import UnreadableError
from medpipe.io import image

LIMITS = {"max_side_px": 64, "min_side_px": 4, "max_pixels": 1_000_000}
RAMP = np.arange(48, dtype=np.uint8).repeat(40).reshape(48, 40) * 5


def saved(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims this size and holds nothing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    size = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_kind_is_told_by_the_first_bytes() -> None:
    assert image.kind(saved(RAMP)) == "png"
    assert image.kind(saved(RAMP, "JPEG")) == "jpeg"
    assert image.kind(bytes(128) + b"DICM") == "dicom"


@pytest.mark.parametrize(
    ("data", "fault", "reason"),
    [
        (b"", "broken", r"empty \(0 bytes\)"),
        (b"GIF89a", "format", "DICOM .*, PNG and JPEG"),
        (b"just text, called film.dcm", "format", "not an image file"),
    ],
)
def test_other_files_are_refused_naming_what_is_read(data: bytes, fault: str, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason) as refusal:
        image.kind(data)
    assert refusal.value.fault == fault


def test_grey_png_is_read_as_it_is() -> None:
    pixels, facts = image.read(saved(RAMP), limits=LIMITS)
    np.testing.assert_array_equal(pixels, RAMP)
    assert facts == {"height_px": 48, "width_px": 40, "bits_stored": 8}


def test_colour_becomes_luma() -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 200
    pixels, _ = image.read(saved(red), limits=LIMITS)
    assert (pixels == round(0.299 * 200)).all()  # ITU-R 601


def test_twelve_bits_in_a_16_bit_png_use_the_whole_range() -> None:
    deep = np.linspace(0, 4095, 1600).reshape(40, 40).astype(np.uint16)
    pixels, facts = image.read(saved(deep), limits=LIMITS)
    assert (pixels.min(), pixels.max(), facts["bits_stored"]) == (0, 255, 16)
    assert pixels[20, 0] == pytest.approx(128, abs=2)


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate a quarter clockwise
    pixels, facts = image.read(saved(RAMP, "JPEG", quality=100, exif=exif), limits=LIMITS)
    assert (facts["height_px"], facts["width_px"]) == (40, 48)
    assert np.abs(pixels.astype(int) - np.rot90(RAMP, -1)).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("kept", [0.05, 0.3, 0.7, 0.95])
def test_truncated_file_is_refused(kind: str, kept: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    data = saved(noise, kind)
    with pytest.raises(UnreadableError, match="cut off"):
        image.read(data[: int(len(data) * kept)], limits=LIMITS)


@pytest.mark.parametrize(
    ("size", "fault"),
    [
        ((1, 1), "content"),
        ((3, 400), "content"),
        ((20_000, 20_000), "size"),
        ((60_000, 60_000), "size"),
    ],
)
def test_size_is_refused_before_decoding(size: tuple[int, int], fault: str) -> None:
    with pytest.raises(UnreadableError) as refusal:
        image.read(png_header(*size), limits=LIMITS)
    assert refusal.value.fault == fault


def test_large_image_is_reduced_to_area_means() -> None:
    large = RAMP.repeat(2, 0).repeat(2, 1)
    pixels, _ = image.read(saved(large), limits={**LIMITS, "max_side_px": 48})
    np.testing.assert_array_equal(pixels, RAMP)


def test_stored_png_gives_the_same_pixels_and_the_same_bytes() -> None:
    data = image.encode_png(RAMP)
    np.testing.assert_array_equal(image.decode_png(data), RAMP)
    assert image.encode_png(RAMP.copy()) == data
    with pytest.raises(UnreadableError, match="not a PNG"):
        image.decode_png(data[:20])


def test_pixel_hash_depends_on_pixels_and_shape_only() -> None:
    assert image.pixel_hash(RAMP) == image.pixel_hash(np.asfortranarray(RAMP))
    assert image.pixel_hash(RAMP) != image.pixel_hash(RAMP.reshape(40, 48))
    other = RAMP.copy()
    other[0, 0] += 1
    assert image.pixel_hash(RAMP) != image.pixel_hash(other)


def test_difference_hash_is_worked_by_hand_for_a_ramp() -> None:
    rising = np.tile(np.arange(9, dtype=np.uint8), (8, 1))
    assert image.difference_hash(rising) == "ff" * 8
    assert image.difference_hash(rising[:, ::-1]) == "00" * 8


def test_difference_hash_ignores_brightness_contrast_and_size() -> None:
    rng = np.random.default_rng(1)
    film = rng.integers(50, 150, (8, 9)).astype(np.uint8).repeat(20, 0).repeat(20, 1)
    changed = (film[::2, ::2] * 1.4 + 20).astype(np.uint8)
    assert image.difference_hash(film) == image.difference_hash(changed)


def test_stretch_of_one_even_ground_is_black() -> None:
    assert (image.stretch(np.full((8, 8), 7, np.float32)) == 0).all()
    spot = np.zeros((100, 100), np.float32)
    spot[0, 0] = 9  # above every percentile
    assert image.stretch(spot)[0, 0] == 255
