"""Radiographs as DICOM files: pixels, facts, and the person they are about.

No message from here repeats a header value that is free text: reasons go to quarantine lists and
to callers of the service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from medpipe.errors import UnreadableError
from medpipe.io import decoding, dicom_file
from medpipe.io.image import check_size
from medpipe.io.windowing import working_image
from medpipe.workload import Identity

RADIOGRAPHS = ("CR", "DX", "RG")
"""Modality: computed, digital and conventional radiography, PS3.3 section C.7.3.1.1.1."""
_OTHERS = (
    *("BI", "CT", "DG", "DOC", "ECG", "ES", "GM", "IO", "IVUS", "KO", "LS", "MG", "MR", "NM"),
    *("OCT", "OP", "OPT", "OT", "PR", "PT", "PX", "REG", "RF", "RTDOSE", "RTIMAGE", "RTPLAN"),
    *("RTSTRUCT", "SC", "SEG", "SM", "SR", "US", "XA", "XC"),
)
_RADIOGRAPH_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.1",  # Computed Radiography Image Storage
    "1.2.840.10008.5.1.4.1.1.1.1",  # Digital X-Ray Image Storage, for presentation
    "1.2.840.10008.5.1.4.1.1.1.1.1",  # the same, for processing
)
_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = (
    *("RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"),
    *("YBR_PARTIAL_420", "YBR_PARTIAL_422"),
)
_VIEWS = {"PA": "PA", "AP": "AP", "LL": "LATERAL", "RL": "LATERAL", "LATERAL": "LATERAL"}
MANUFACTURERS = (
    *("agfa", "canon", "carestream", "fujifilm", "ge", "hologic", "kodak", "konica", "philips"),
    *("samsung", "shimadzu", "siemens", "toshiba"),
)
"""First words that are kept of the free text in Manufacturer (0008,0070); all else is "other"."""
BODY_PARTS = (
    *("ABDOMEN", "ANKLE", "ARM", "CHEST", "CLAVICLE", "CSPINE", "ELBOW", "FEMUR", "FINGER", "FOOT"),
    *("FOREARM", "HAND", "HEAD", "HIP", "HUMERUS", "JAW", "KNEE", "LEG", "LSPINE", "NECK"),
    *("PATELLA", "PELVIS", "SHOULDER", "SKULL", "TIBIA", "TOE", "TSPINE", "WRIST"),
)
"""Terms of Body Part Examined (0018,0015) that are understood, PS3.16 annex L; all else is None."""
_AGE = re.compile(r"(\d{1,3})([DWMY])")
_DAY = re.compile(r"(\d{4})[.\-]?(\d{2})[.\-]?(\d{2})")
_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
_OLDEST_YEARS = 90.0
"""Ages over 89 identify and are one class: 45 CFR 164.514(b)(2)(i)(C), HIPAA's safe harbour."""
WANTED = (
    *("SOPClassUID", "Modality", "Manufacturer", "StudyDate", "BodyPartExamined", "ViewPosition"),
    *("PatientSex", "PatientBirthDate", "PatientAge", "ImageLaterality", "Laterality"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
    *("PlanarConfiguration", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence"),
)
"""Elements that `read` looks at, beside the pixels."""
_BYTES_PER_PIXEL = 2
_HEADER_BYTES = 16 << 20
"""Of a deflated file: what is allowed beside its pixels, for overlays and private elements."""


def header(data: bytes) -> Dataset:
    """Every element of a DICOM file but its pixels.

    Raises
    ------
    UnreadableError : not DICOM, or its header is cut off or damaged
    """
    return dicom_file.parse(data)


def identity(data: bytes) -> Identity:
    """Who and where the header says the image is from; None for what is empty or missing.

    The site is the institution and its station, or the model of the device where stations are not
    named: what a model may learn instead of the disease is the device. Raises as `header` does.
    """
    dataset = header(data)
    with dicom_file.explained():
        station = _text(dataset, "StationName") or _text(dataset, "ManufacturerModelName")
        site = " / ".join(filter(None, (_text(dataset, "InstitutionName"), station)))
        return Identity(
            patient_id=_text(dataset, "PatientID"),
            site=site or None,
            acquired=_day(dataset, "StudyDate"),
        )


def read(data: bytes, *, limits: Mapping[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """The working image of a radiograph, and what its header says that identifies nobody.

    Parameters
    ----------
    limits : ``max_side_px``, ``min_side_px``, ``max_pixels``

    Returns
    -------
    uint8 (H, W), white where the body is dense; the facts and covariates of `facts`

    Raises
    ------
    UnreadableError : not a radiograph, colour, several frames, no pixels, a size outside the limits
        (all before anything is decoded), or broken
    """
    dataset = dicom_file.parse(data, wanted=WANTED, inflated_max=inflated_max(limits))
    with dicom_file.explained():
        check_radiograph(dataset)
        check_pixels(dataset, limits)
        known = facts(dataset)
        return working_image(dataset, max_side_px=int(limits["max_side_px"])), known


def inflated_max(limits: Mapping[str, Any]) -> int:
    """Bytes that the largest image within ``max_pixels`` has, header included."""
    return _BYTES_PER_PIXEL * int(limits["max_pixels"]) + _HEADER_BYTES


def check_radiograph(dataset: Dataset) -> None:
    """Refuse what another kind of device made; a missing Modality is judged by the SOP class.

    Raises
    ------
    UnreadableError : the modality is not one of `RADIOGRAPHS`
    """
    modality = _text(dataset, "Modality")
    if modality is None and _text(dataset, "SOPClassUID") in _RADIOGRAPH_CLASSES:
        return
    if modality not in RADIOGRAPHS:
        named = (
            modality if modality in _OTHERS else "(missing)" if modality is None else "(unknown)"
        )
        raise UnreadableError(f"modality {named} is not a radiograph (CR, DX)", fault="kind")


def check_pixels(dataset: Dataset, limits: Mapping[str, Any]) -> None:
    """Refuse, undecoded, what is not one grey image of a usable size. Raises UnreadableError."""
    if "PixelData" not in dataset:
        raise UnreadableError(
            "the DICOM file has no pixel data: it is no image, or was cut off before its pixels",
            fault="content",
        )
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise UnreadableError(
            f"{int(dataset.NumberOfFrames)} frames; a radiograph has one: send the frames as files",
            fault="content",
        )
    photometric = str(dataset.PhotometricInterpretation).strip()
    if photometric not in _GREY or int(dataset.get("SamplesPerPixel") or 1) != 1:
        named = photometric if photometric in _COLOUR else "(unknown)"
        raise UnreadableError(
            f"photometric interpretation {named} is not a radiograph's (MONOCHROME1, MONOCHROME2)",
            fault="content",
        )
    check_size(int(dataset.Rows), int(dataset.Columns), limits)


def facts(dataset: Dataset) -> dict[str, Any]:
    """Facts of acquisition, and covariates, as columns of raw; None for what the header lacks.

    Values come from closed lists or are numbers, so that none can carry an identifier.
    """
    maker = (_text(dataset, "Manufacturer") or "").lower()
    view = _text(dataset, "ViewPosition")
    sex = _text(dataset, "PatientSex")
    side = _text(dataset, "ImageLaterality") or _text(dataset, "Laterality")
    part = (_text(dataset, "BodyPartExamined") or "").upper()
    return {
        "body_part": part if part in BODY_PARTS else None,
        "height_px": int(dataset.Rows),
        "width_px": int(dataset.Columns),
        "bits_stored": int(dataset.BitsStored),
        "photometric": str(dataset.PhotometricInterpretation).strip(),
        "transfer_syntax": decoding.syntax_name(dataset),
        "manufacturer": next((m for m in MANUFACTURERS if m in maker.split()), "other")
        if maker
        else None,
        "sex": sex if sex in ("F", "M", "O") else None,
        "age_years": _age_years(dataset),
        "view": _VIEWS.get(view, "OTHER") if view else None,
        "laterality": side if side in ("L", "R", "B", "U") else None,
    }


def _text(dataset: Dataset, keyword: str) -> str | None:
    value = dataset.get(keyword)
    if isinstance(value, pydicom.multival.MultiValue):
        value = value[0] if value else None
    return str(value).strip(" \0") or None if value is not None else None


def _day(dataset: Dataset, keyword: str) -> date | None:
    match = _DAY.fullmatch(_text(dataset, keyword) or "")
    try:
        return date(*map(int, match.groups())) if match else None
    except ValueError:  # the 31st of February
        return None


def _age_years(dataset: Dataset) -> float | None:
    """Age at acquisition: PatientAge, or birth date to study date; completed years from 2 on.

    Finer steps would, with the date of the study, give the birthday back.
    """
    born, seen = _day(dataset, "PatientBirthDate"), _day(dataset, "StudyDate")
    stated = _AGE.fullmatch(_text(dataset, "PatientAge") or "")
    if stated:
        years = int(stated[1]) * _YEARS[stated[2]]
    elif born and seen and seen >= born:
        years = (seen - born).days / 365.25
    else:
        return None
    if years >= _OLDEST_YEARS:
        return _OLDEST_YEARS
    return float(int(years)) if years >= 2 else int(years * 12 + 1e-9) / 12
