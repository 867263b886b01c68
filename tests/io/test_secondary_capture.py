"""The picture as an image of its own: its pixels, its words, and what it says of its source."""

import dataclasses
import io

import numpy as np
import pydicom
import pytest
from made_objects import CERTIFICATE, MAKER, ORIGIN, SOURCE

from medpipe.io import secondary_capture

PICTURE = np.random.default_rng(0).integers(0, 256, (50, 40, 3)).astype(np.uint8)


def written(picture=PICTURE, **image):
    source = dataclasses.replace(SOURCE, image=image)
    made = secondary_capture.write(dataclasses.replace(ORIGIN, source=source), MAKER, picture)
    return pydicom.dcmread(io.BytesIO(made.data))


def test_a_narrow_picture_is_enlarged_in_whole_pixels_above_the_words():
    made = written()
    pixels = made.pixel_array
    assert pixels.shape == (50 * 13 + 64, 40 * 13, 3)  # 40 px need 13 times as many for 512
    np.testing.assert_array_equal(pixels[6:650:13, 6::13], PICTURE)
    np.testing.assert_array_equal(pixels[0:650:13, 0::13], PICTURE)
    assert made.PhotometricInterpretation == "RGB"


def test_a_wide_picture_keeps_its_pixels():
    wide = np.zeros((10, 600, 3), np.uint8)
    wide[..., 0] = 200
    pixels = written(wide).pixel_array
    assert pixels.shape == (74, 600, 3)
    np.testing.assert_array_equal(pixels[:10], wide)


@pytest.mark.parametrize("width", [8, 40, 512, 2000])
def test_the_words_lie_in_white_within_the_band(width):
    lines = ("For research: not a diagnosis", "a_rather_long_name_of_a_workload, model 12")
    band = secondary_capture.captioned(np.zeros((4, width, 3), np.uint8), lines)[-64:]
    written_on = band.max(axis=(0, 2)) > 128
    assert written_on.any()
    assert not written_on[:4].any()
    assert not written_on[-4:].any()
    assert (band[:32].max(), band[32:].max()) == (255, 255)


def test_only_words_of_the_source_may_identify_someone():
    assert written(BurnedInAnnotation="YES").BurnedInAnnotation == "YES"
    assert written(BurnedInAnnotation="NO").BurnedInAnnotation == "NO"
    assert "BurnedInAnnotation" not in written()


def test_what_was_compressed_with_loss_says_so_for_ever():
    assert written(LossyImageCompression="01").LossyImageCompression == "01"


def test_it_says_what_it_is_made_from_and_how():
    made = written(PatientOrientation="L\\F")
    (source,) = made.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == SOURCE.instance_uid
    assert made.ImageType == ["DERIVED", "SECONDARY", "OTHER"]
    assert made.ConversionType == "WSD"
    assert CERTIFICATE in made.DerivationDescription
    assert "not a diagnosis" in made.DerivationDescription
    assert made.PatientOrientation == ["L", "F"]
    assert (made.PatientID, made.StudyInstanceUID) == ("42", SOURCE.study_uid)
