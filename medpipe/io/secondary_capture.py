"""A drawing as a DICOM Secondary Capture image, which every archive takes and every viewer shows.

Below the drawing stands, burned in, what it is and that it is no diagnosis: a picture is looked at
without its report.

References
----------
PS3.3 section A.8.1 (the object), C.8.6.1 and C.8.6.2 (its modules), C.7.6.1 (derivation).
"""

from __future__ import annotations

import cv2
import numpy as np
from highdicom.sc import SCImage
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset

from medpipe.io import derived
from medpipe.io.derived import Made, Maker, Origin

KIND = "secondary capture"
_PURPOSE = CodedConcept("121322", "DCM", "Source image for image processing operation")
_TYPE_2C = ("Laterality", "PatientOrientation")  # may be empty, PS3.3 tables C.7-5a and C.7-9
_WIDTH_MIN = 512
"""Pixels; a smaller drawing is enlarged so that the words below it can be read."""
_LINE_PX = 28
_MARGIN_PX = 8
_FONT = cv2.FONT_HERSHEY_SIMPLEX  # ASCII only
_WHITE = (255, 255, 255)


def write(origin: Origin, maker: Maker, picture: np.ndarray) -> Made:
    """The image as a file.

    Parameters
    ----------
    picture : uint8 RGB (H, W, 3), drawn over the source image
    """
    # An orientation must be given here; the source's own, or none, replaces it below.
    image = SCImage(
        pixel_array=captioned(picture, (derived.RESEARCH, f"{maker.name}, model {maker.version}")),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),
        study_instance_uid=origin.source.study_uid,
        series_instance_uid=origin.series_uid(KIND),
        series_number=derived.SERIES_NUMBER + 1,
        series_description=f"{maker.title}: map"[: derived.LENGTH],
        sop_instance_uid=origin.instance_uid(KIND),
        instance_number=origin.number,
        content_date=origin.at.date(),
        content_time=origin.at.time(),
        manufacturer=derived.MANUFACTURER,
        manufacturer_model_name=maker.name[: derived.LENGTH],
        software_versions=maker.versions,
        device_serial_number=maker.certificate_sha256,
    )
    _derive(image, origin, maker)
    return derived.finish(image, origin.source)


def captioned(picture: np.ndarray, lines: tuple[str, ...]) -> np.ndarray:
    """`picture` (H, W, 3) above `lines` in white on black; enlarged where it is narrow."""
    scale = max(1, -(-_WIDTH_MIN // picture.shape[1]))
    large = np.repeat(np.repeat(picture, scale, axis=0), scale, axis=1)
    band = np.zeros((_LINE_PX * len(lines) + _MARGIN_PX, large.shape[1], 3), np.uint8)
    for number, line in enumerate(lines, start=1):
        (width, _), _ = cv2.getTextSize(line, _FONT, 1, 1)
        size = min(0.7, (large.shape[1] - 2 * _MARGIN_PX) / width)
        at = (_MARGIN_PX, _LINE_PX * number - _MARGIN_PX // 2)
        cv2.putText(band, line, at, _FONT, size, _WHITE, 1, cv2.LINE_AA)
    return np.concatenate([large, band])


def _derive(image: Dataset, origin: Origin, maker: Maker) -> None:
    """What the image is made from, how, and what of its source still holds."""
    source = origin.source
    image.ConversionType = "WSD"  # workstation
    image.DerivationDescription = (
        f"Where the evidence for the answer lies, drawn over the source image by {maker.name}, "
        f"model {maker.version}, certificate {maker.certificate_sha256}. {derived.RESEARCH}."
    )
    reference = Dataset()
    reference.ReferencedSOPClassUID = source.sop_class_uid
    reference.ReferencedSOPInstanceUID = source.instance_uid
    reference.PurposeOfReferenceCodeSequence = [_PURPOSE]
    image.SourceImageSequence = [reference]
    # Of what is burned in only that of the source may identify; once lossy is lossy for ever.
    for keyword, text in (dict.fromkeys(_TYPE_2C, "") | source.image).items():
        if text or keyword in _TYPE_2C:
            derived.put(image, keyword, text)
