"""Every transfer syntax gives the values that were stored, or a reason."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import openjpeg.utils
import pytest
from dicom_bytes import LIMITS, dicom_bytes
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.pixels import get_encoder
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from medpipe.errors import UnreadableError
from medpipe.io import decoding, dicom, dicom_file, gdcm_process

REAL = Path(
    os.environ.get("MEDPIPE_REAL_DATA") or Path(__file__).parents[3] / "shared" / "data",
    "dicom_transfer_syntaxes",
)
PIXELS = np.random.default_rng(0).integers(0, 4096, (80, 60)).astype(np.uint16)


def compressed(syntax: str, *, pixels: np.ndarray = PIXELS) -> bytes:
    if syntax == JPEG2000Lossless:
        grey = openjpeg.utils.encode_array(pixels, bits_stored=12, photometric_interpretation=2)
    else:
        sizes = {"rows": pixels.shape[0], "columns": pixels.shape[1], "number_of_frames": 1}
        grey = get_encoder(syntax).encode(
            pixels, samples_per_pixel=1, photometric_interpretation="MONOCHROME2",
            bits_allocated=16, bits_stored=12, pixel_representation=0, **sizes,
        )  # fmt: skip
    return bytes(grey)


def file_of(syntax: str, frame: bytes, **elements: object) -> bytes:
    data = dict(PixelData=encapsulate([frame]), BitsStored=12, Rows=80, Columns=60)
    return dicom_bytes(PIXELS, syntax=syntax, **{**data, **elements})


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, RLELossless])
def test_lossless_coding_gives_the_stored_values(syntax: str) -> None:
    dataset = dicom_file.parse(file_of(syntax, compressed(syntax)), wanted=dicom.WANTED)
    np.testing.assert_array_equal(decoding.decode(dataset), PIXELS)


@pytest.mark.parametrize(
    ("dtype", "stored"), [(np.int16, 12), (np.uint16, 16), (np.uint16, 10), (np.uint8, 8)]
)
def test_jpeg_2000_gives_the_stored_values_whatever_their_type(dtype: type, stored: int) -> None:
    is_signed = np.issubdtype(dtype, np.signedinteger)
    levels = np.arange(80 * 60).reshape(80, 60) * 37 % 2**stored
    pixels = (levels - is_signed * 2 ** (stored - 1)).astype(dtype)
    frame = openjpeg.utils.encode_array(pixels, bits_stored=stored, photometric_interpretation=2)
    bits = {"BitsAllocated": pixels.itemsize * 8, "BitsStored": stored, "HighBit": stored - 1}
    data = file_of(JPEG2000Lossless, frame, PixelRepresentation=int(is_signed), **bits)
    found = decoding.decode(dicom_file.parse(data, wanted=dicom.WANTED))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_compressed_image_of_another_size_than_the_header_says_is_refused(syntax: str) -> None:
    bomb = compressed(syntax, pixels=np.zeros((300, 400), np.uint16))
    with pytest.raises(UnreadableError, match="400 × 300 px and its header says 60 × 80 px"):
        dicom.read(file_of(syntax, bomb), limits=LIMITS)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, RLELossless])
def test_damaged_compressed_pixels_are_refused(syntax: str) -> None:
    # The RLE decoder panics here: its exception passes `except Exception`.
    damaged = bytearray(compressed(syntax))
    damaged[40:200] = b"\x7f" * 160
    with pytest.raises(UnreadableError, match="cannot be decoded"):
        dicom.read(file_of(syntax, bytes(damaged[:1200])), limits=LIMITS)


def test_crash_of_gdcm_ends_its_own_process_only() -> None:
    damaged = bytearray(compressed(JPEG2000Lossless))
    damaged[40:200] = b"\x7f" * 160  # an assertion of gdcm's fails: SIGABRT
    frame = gdcm_process.Frame(
        syntax=JPEG2000Lossless, photometric="MONOCHROME2", rows=80, columns=60,
        bits_allocated=16, bits_stored=12, is_signed=0,
    )  # fmt: skip
    whole = np.frombuffer(gdcm_process.decode(frame, compressed(JPEG2000Lossless)), np.uint16)
    np.testing.assert_array_equal(whole.reshape(80, 60), PIXELS)
    with pytest.raises(RuntimeError, match="gdcm failed"):
        gdcm_process.decode(frame, bytes(damaged[:1200]))


@pytest.mark.parametrize(
    ("syntax", "said", "fault"),
    [
        ("1.2.840.10008.1.2.4.100", "syntax MPEG2 Main Profile .* is not read", "coding"),
        ("1.2.840.10008.1.2.4.201", "cannot be decoded", "broken"),
    ],
)
def test_unknown_coding_is_refused(syntax: str, said: str, fault: str) -> None:
    with pytest.raises(UnreadableError, match=said) as refused:
        dicom.read(file_of(syntax, b"\0\0\1\xba" * 100), limits=LIMITS)
    assert refused.value.fault == fault


def real(pattern: str) -> Dataset:
    found = sorted(REAL.glob(pattern))
    if not found:
        pytest.skip(f"no {pattern} in {REAL}; set MEDPIPE_REAL_DATA")
    return dcmread(found[0])


@pytest.mark.real
@pytest.mark.parametrize(
    "pattern",
    ["*BigEndian*", "*Deflated*", "*ExplicitTransfer*", "*ImplicitTransfer*", "*RLELossless*",
     "*JPEG2000LosslessOnly*", "*JPEGLSLossless*", "*Process14SV1*", "*Process14Transfer*"],
)  # fmt: skip
def test_real_lossless_file_equals_the_uncompressed_one(pattern: str) -> None:
    plain = decoding.decode(real("CTImage.dcm"))
    np.testing.assert_array_equal(decoding.decode(real(pattern)), plain)


@pytest.mark.real
@pytest.mark.parametrize(
    "pattern",
    ["*JPEG2000Transfer*", "*JPEGLSLossy*", "*4.50.dcm", "*4.51.dcm", "*4.53.dcm", "*4.55.dcm"],
)
def test_real_lossy_file_is_close_to_the_uncompressed_one(pattern: str) -> None:
    dataset, plain = real(f"CTImage.dcm_{pattern}"), real("CTImage.dcm")
    densities = decoding.decode(dataset) * float(dataset.RescaleSlope) + dataset.RescaleIntercept
    expected = decoding.decode(plain).astype(float) - 1024
    step = max(float(dataset.RescaleSlope), 1.0)
    assert np.abs(densities.astype(float) - expected).mean() < 4 * step


@pytest.mark.real
@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("CT0012*", "2 frames"),
        ("US-YBR*", "YBR_FULL_422 is not a radiograph's"),
        ("no-pixel-spacing*", "PALETTE COLOR is not a radiograph's"),
        ("no-pixel-data*", "no pixel data"),
    ],
)
def test_real_file_that_is_no_grey_image_is_refused(pattern: str, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        dicom.check_pixels(real(pattern), {"min_side_px": 32, "max_pixels": 10**8})


@pytest.mark.real
def test_real_computed_tomogram_is_no_radiograph() -> None:
    with pytest.raises(UnreadableError, match="modality CT is not a radiograph"):
        dicom.check_radiograph(real("CTImage.dcm"))
