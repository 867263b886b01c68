"""What a radiograph's header says, and how its grey levels come out."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import numpy as np
import pytest
from dicom_bytes import LIMITS, dicom_bytes
from pydicom.uid import DeflatedExplicitVRLittleEndian

from medpipe.errors import UnreadableError
from medpipe.io import dicom

RAMP = np.arange(100, dtype=np.uint16).reshape(10, 10)


def grey(pixels: np.ndarray, **elements: object) -> np.ndarray:
    return dicom.read(dicom_bytes(pixels, **elements), limits=LIMITS)[0]


def test_linear_window_follows_the_standard_s_formula() -> None:
    # C.11.2.1.2: centre 50, width 21: below 39.5 black, above 59.5 white, 49.5 in the middle.
    shown = grey(RAMP, WindowCenter=50, WindowWidth=21).ravel()
    assert (shown[:40] == 0).all()
    assert (shown[60:] == 255).all()
    assert shown[49] == int(((49 - 49.5) / 20 + 0.5) * 255 + 0.5)


def test_linear_exact_window_has_no_half_pixel() -> None:
    shown = grey(RAMP, WindowCenter=50, WindowWidth=20, VOILUTFunction="LINEAR_EXACT").ravel()
    assert (shown[40], shown[50], shown[60]) == (0, 128, 255)


def test_sigmoid_window_passes_half_at_its_centre() -> None:
    shown = grey(RAMP, WindowCenter=50, WindowWidth=20, VOILUTFunction="SIGMOID").ravel()
    assert shown[50] == 128
    assert shown[55] == int(255 / (1 + np.exp(-1)) + 0.5)


def test_first_of_several_windows_is_used() -> None:
    several = grey(RAMP, WindowCenter=[50, 7], WindowWidth=[21, 3])
    np.testing.assert_array_equal(several, grey(RAMP, WindowCenter=50, WindowWidth=21))


def test_window_that_misses_the_image_is_ignored() -> None:
    np.testing.assert_array_equal(grey(RAMP, WindowCenter=9000, WindowWidth=10), grey(RAMP))


@pytest.mark.parametrize("stored", [b"0   ", b"-5  ", b"    ", b"many", b"nan "])
def test_window_without_a_usable_width_is_ignored(stored: bytes) -> None:
    data = dicom_bytes(RAMP, WindowCenter=50, WindowWidth=20.5)
    assert data.count(b"20.5") == 1
    shown, _ = dicom.read(data.replace(b"20.5", stored), limits=LIMITS)
    np.testing.assert_array_equal(shown, grey(RAMP))


def test_percentiles_replace_a_missing_window() -> None:
    image = np.linspace(1000, 2000, 10_000).reshape(100, 100).astype(np.uint16)
    image[0, 0], image[0, 1] = 0, 65535  # dead pixels must not take the range
    shown = dicom.read(dicom_bytes(image), limits={**LIMITS, "max_side_px": 100})[0]
    assert shown[50, 0] == pytest.approx(128, abs=2)
    assert shown.min() == 0
    assert shown.max() == 255


def test_rescale_comes_before_the_window() -> None:
    rescaled = grey(RAMP, RescaleSlope=2, RescaleIntercept=-100, WindowCenter=0, WindowWidth=41)
    by_hand = (((2 * np.arange(100) - 100) + 0.5) / 40 + 0.5).clip(0, 1) * 255 + 0.5
    np.testing.assert_array_equal(rescaled.ravel(), by_hand.astype(np.uint8))


def test_monochrome1_is_inverted() -> None:
    inverse = grey(RAMP, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(inverse, 255 - grey(RAMP))


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_every_bit_depth_uses_the_whole_range(bits: int) -> None:
    dtype = np.uint8 if bits == 8 else np.uint16
    image = np.linspace(0, 2**bits - 1, 400).reshape(20, 20).astype(dtype)
    data = dicom_bytes(image, BitsStored=bits)
    shown, facts = dicom.read(data, limits=LIMITS)
    assert (shown.min(), shown.max(), facts["bits_stored"]) == (0, 255, bits)
    assert (np.diff(shown.ravel().astype(int)) >= 0).all()


def test_signed_values_keep_their_order() -> None:
    image = np.linspace(-1000, 1000, 400).reshape(20, 20).astype(np.int16)
    assert (np.diff(grey(image).ravel().astype(int)) >= 0).all()


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_takes_no_range(photometric: str) -> None:
    image = np.tile(np.linspace(1000, 2000, 40), (40, 1)).astype(np.int16)
    image[:, :10] = -32768
    shown = grey(image, PixelPaddingValue=-32768, PhotometricInterpretation=photometric)
    assert (shown[:, :10] == 0).all()
    assert shown[0, 10:].astype(int).max() - shown[0, 10:].astype(int).min() > 250


def test_large_image_is_reduced_to_area_means_and_small_one_left() -> None:
    image = np.kron(RAMP, np.ones((20, 20), np.uint16))
    data = dicom_bytes(image, WindowCenter=50, WindowWidth=101)
    large, facts = dicom.read(data, limits={**LIMITS, "max_side_px": 10})
    np.testing.assert_array_equal(large, grey(RAMP, WindowCenter=50, WindowWidth=101))
    assert (facts["height_px"], facts["width_px"]) == (200, 200)
    assert grey(RAMP).shape == (10, 10)


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"Modality": "CT"}, "modality CT is not a radiograph"),
        ({"Modality": "XC"}, "modality XC is not a radiograph"),
        ({"Modality": "SMITH"}, r"modality \(unknown\)"),
        ({"Modality": "", "SOPClassUID": "1.2.3"}, r"modality \(missing\)"),
        ({"NumberOfFrames": 2}, "2 frames"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR is not a radiograph's"),
        ({"PhotometricInterpretation": "JONES"}, r"photometric interpretation \(unknown\)"),
        ({"PixelData": None}, "no pixel data"),
        ({"Rows": 1, "Columns": 1}, "1 × 1 px is smaller than min_side_px 2"),
        ({"Rows": 20_000, "Columns": 20_000}, "20000 × 20000 px is more than max_pixels 1000000"),
        ({"Rows": 11}, "pixel data are fewer than the header says"),
        ({"BitsAllocated": None}, "pixel data are fewer than the header says, or the header"),
        ({"PhotometricInterpretation": None}, "an element is missing"),
    ],
)
def test_what_is_no_usable_radiograph_is_refused_with_its_reason(
    elements: dict[str, object], reason: str
) -> None:
    with pytest.raises(UnreadableError, match=reason):
        dicom.read(dicom_bytes(RAMP, **elements), limits=LIMITS)


def test_missing_modality_is_judged_by_the_sop_class() -> None:
    assert grey(RAMP, Modality="").shape == (10, 10)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.8, 0.95])
def test_truncated_file_is_refused(kept: float) -> None:
    data = dicom_bytes(np.zeros((50, 50), np.uint16))
    with pytest.raises(UnreadableError):
        dicom.read(data[: int(len(data) * kept)], limits=LIMITS)


def test_deflated_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom, "_HEADER_BYTES", 0)  # 2 bytes for each of a megapixel remain
    data = dicom_bytes(RAMP, syntax=DeflatedExplicitVRLittleEndian)
    assert dicom.read(data, limits=LIMITS)[0].shape == (10, 10)
    start = 144 + int.from_bytes(data[140:144], "little")
    squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = data[:start] + squeezer.compress(bytes(3 << 20)) + squeezer.flush()
    with pytest.raises(UnreadableError, match="inflates to more than") as refusal:
        dicom.read(bomb, limits=LIMITS)
    assert refusal.value.fault == "size"


def test_reason_never_repeats_what_a_header_holds() -> None:
    data = dicom_bytes(RAMP, RescaleSlope=1, PatientName="Doe^Jane", WindowCenter=5, WindowWidth=1)
    for old, new in [(b"DX", b"JD"), (b"MONOCHROME2", b"DOE-JANE-77")]:
        with pytest.raises(UnreadableError) as refusal:
            dicom.read(data.replace(old, new), limits=LIMITS)
        assert "D" not in str(refusal.value).replace("DX", "")
        assert refusal.value.__cause__ is None


def test_identity_is_what_the_header_says_of_person_and_place() -> None:
    data = dicom_bytes(
        RAMP, PatientID=" 77 ", InstitutionName="General", StationName="XR2", StudyDate="20240229"
    )
    found = dicom.identity(data)
    assert (found.patient_id, found.site) == ("77", "General / XR2")
    assert found.acquired == date(2024, 2, 29)


def test_empty_identifiers_are_none() -> None:
    found = dicom.identity(dicom_bytes(RAMP, PatientID="", StudyDate="20240231"))
    assert (found.patient_id, found.site, found.acquired) == (None, None, None)


@pytest.mark.parametrize(
    ("elements", "age_years"),
    [
        ({"PatientAge": "045Y"}, 45.0),
        ({"PatientAge": "018M"}, 1.5),
        ({"PatientAge": "003W"}, 0.0),
        ({"PatientAge": "093Y"}, 90.0),
        ({"PatientBirthDate": "19800615", "StudyDate": "20240614"}, 43.0),
        ({"PatientBirthDate": "20240615", "StudyDate": "20240614"}, None),
        ({"PatientAge": "old"}, None),
        ({}, None),
    ],
)
def test_age_is_coarse_and_capped(elements: dict[str, str], age_years: float | None) -> None:
    assert dicom.read(dicom_bytes(RAMP, **elements), limits=LIMITS)[1]["age_years"] == age_years


def test_facts_hold_only_values_of_closed_lists() -> None:
    data = dicom_bytes(
        RAMP, ViewPosition="LL", PatientSex="F", ImageLaterality="L", Manufacturer="Jane Doe",
        BodyPartExamined="JANE",
    )  # fmt: skip
    facts = dicom.read(data, limits=LIMITS)[1]
    assert (facts["view"], facts["sex"], facts["laterality"]) == ("LATERAL", "F", "L")
    assert (facts["manufacturer"], facts["body_part"]) == ("other", None)
    assert facts["transfer_syntax"] == "Explicit VR Little Endian"


def test_threads_read_what_one_thread_reads() -> None:
    rng = np.random.default_rng(0)
    files = [dicom_bytes(rng.integers(0, 4096, (80, 70), dtype=np.uint16)) for _ in range(16)]
    alone = [dicom.read(data, limits=LIMITS)[0] for data in files]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda data: dicom.read(data, limits=LIMITS)[0], files))
    np.testing.assert_array_equal(alone, together)
