"""De-identification of a DICOM file by the Basic Application Level Confidentiality Profile.

DICOM PS3.15 Annex E with two options: Retain Longitudinal Temporal Information with Modified Dates
(days shifted by the patient's own keyed number, times cut to the hour, because a time to the second
finds its examination in any archive) and Retain Patient Characteristics (E.1-1's K: sex, age capped at
90, size, weight and the like; what the option would have cleaned as free text is removed). The device's
identity, descriptions and institution are not retained. The actions are the standard's Table E.1-1 as
dicom-anonymizer ships it (edition 2026c).

Only the table is taken from there: its engine acts on the top level alone, keeps removed dates as dummies
and draws UIDs at random, whereas E.1.1 asks for every level and here the same study must get the same
UID in every run. Where the table leaves a choice (X/Z, X/D), the type that every object accepts is
taken: emptied before removed, a dummy before emptied; a sequence is removed.

Pixels are neither decoded nor cleaned: a file that declares burned-in annotation is refused.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from datetime import date
from io import BytesIO

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataelem import DataElement, empty_value_for_VR
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medpipe.deidentify.pixel_data import pixel_element
from medpipe.errors import UnreadableError
from medpipe.workload import Pseudonymise

AGE_CAP_YEARS = 90
"""Ages above 89 become one category: 45 CFR 164.514(b)(2)(i)(C)."""
METHOD = (
    "medpipe: PS3.15 2026c Basic Profile",
    "dates shifted by whole days per patient, times cut to the hour",
    "patient characteristics kept, age capped at 90 years",
)
OPTIONS = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    ("113108", "Retain Patient Characteristics Option"),
)
"""PS3.16 CID 7050."""
CHARACTERISTICS = frozenset(
    {
        0x00100040,  # PatientSex
        0x00101010,  # PatientAge
        0x00101020,  # PatientSize
        0x00101030,  # PatientWeight
        0x00102160,  # EthnicGroup
        0x001021A0,  # SmokingStatus
        0x001021C0,  # PregnancyStatus
        0x00102203,  # PatientSexNeutered
    }
)
"""K in column "Rtn. Pat. Chars. Opt." of Table E.1-1."""
_BIRTH_DATES = frozenset({0x00100030, 0x00100032, 0x00100033, 0x00100034, 0x00100035})
_TIMES = frozenset({"DA", "DT", "TM"})
_FULL_PLANES = (0x50, 0x60)
"""Curves and overlays, groups 50xx and 60xx: drawn or written upon the image, removed whole."""
_DUMMIES: dict[str, object] = {
    "AS": "000Y",
    "DA": "19000101",
    "DT": "19000101",
    "TM": "00",
    "UR": "http://anonymized.invalid",
    **dict.fromkeys(("DS", "IS"), "0"),
    **dict.fromkeys(("FD", "FL", "SS", "US", "SL", "UL", "SV", "UV", "AT"), 0),
    **dict.fromkeys(("OB", "OW", "OF", "OD", "OL", "OV", "UN"), bytes(8)),
}
_BROKEN = (InvalidDicomError, ValueError, KeyError, AttributeError, EOFError, OSError)


def deidentify(data: bytes, pseudonymise: Pseudonymise) -> bytes:
    """The DICOM file `data` without whoever it is about, its pixel bytes as they were.

    Parameters
    ----------
    data : the file's bytes
    pseudonymise : its "group" names the patient, its "uid" every instance, series and study, its shift
        moves the days

    Raises
    ------
    UnreadableError : not DICOM, pixel data cut short, or burned-in annotation declared
    """
    try:
        dataset, pixels = _parsed(data)
        return _written(dataset, pseudonymise) + pixels
    except (*_BROKEN, struct.error, zlib.error, NotImplementedError) as error:
        raise UnreadableError(
            f"the DICOM header cannot be de-identified ({type(error).__name__}); check that the file "
            "opens in a viewer, and export it again from the archive"
        ) from None


def _parsed(data: bytes) -> tuple[FileDataset, memoryview]:
    """The header as a dataset, and the bytes of the pixel data element (none if inside a deflate)."""
    file = BytesIO(data)
    dataset = dcmread(file, stop_before_pixels=True)
    if str(dataset.get("BurnedInAnnotation", "")).strip().upper() == "YES":
        raise UnreadableError(
            "burned-in annotation is declared; clean the pixels first", fault="content"
        )
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is not None and syntax.is_deflated:
        return dcmread(BytesIO(data)), memoryview(b"")
    implicit, little = dataset.original_encoding
    return dataset, pixel_element(
        data, file.tell(), implicit=bool(implicit), little_endian=little is not False
    )


def _written(dataset: FileDataset, pseudonymise: Pseudonymise) -> bytes:
    patient_id = str(dataset.get("PatientID") or "")
    _clean(dataset, pseudonymise, patient_id)
    _declare(dataset, pseudonymise("group", patient_id))
    implicit, little = dataset.original_encoding
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = dataset.file_meta.get("TransferSyntaxUID") or _plain(implicit, little)
    # The source's meta group and preamble go: they may name its application and hold anything.
    dataset.file_meta = meta
    dataset.preamble = bytes(128)
    out = BytesIO()
    dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


def _plain(implicit: bool | None, little: bool | None) -> str:
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little is not False else ExplicitVRBigEndian


def _declare(dataset: Dataset, group: str) -> None:
    """What PS3.15 E.1.1 asks to be said of a file that was de-identified."""
    dataset.PatientID = group
    dataset.PatientName = group
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = list(METHOD)
    dataset.LongitudinalTemporalInformationModified = "MODIFIED"
    codes = []
    for value, meaning in OPTIONS:
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
        codes.append(code)
    dataset.DeidentificationMethodCodeSequence = codes


def _clean(dataset: Dataset, pseudonymise: Pseudonymise, patient_id: str) -> None:
    """Apply the table to every element of `dataset` and of what is nested in it, in place."""
    for tag in list(dataset.keys()):
        # Elements that stay as they are stay undecoded: decoding them is what costs.
        raw = dataset.get_item(tag)
        vr = raw.VR
        if tag.is_private or not dictionary_has_tag(tag) or tag.group >> 8 in _FULL_PLANES:
            del dataset[tag]
            continue
        if vr in (None, "UN"):
            vr = dictionary_VR(tag)
        action = _ACTIONS.get(int(tag))
        if action == "X" or (vr == "SQ" and action in ("X/D", "X/Z/D")):
            del dataset[tag]
        elif int(tag) in CHARACTERISTICS:
            _characteristic(dataset, tag)
        elif vr in _TIMES and int(tag) not in _BIRTH_DATES:
            _shift(dataset[tag], lambda day: pseudonymise.shift(patient_id, day))
        elif action in ("Z", "X/Z"):
            dataset[tag].value = empty_value_for_VR(dataset[tag].VR)
        elif action == "U":
            _rename(dataset[tag], pseudonymise)
        elif action is not None:
            _replace(dataset[tag], pseudonymise)
        elif vr == "SQ":
            for item in dataset[tag].value:
                _clean(item, pseudonymise, patient_id)


def _characteristic(dataset: Dataset, tag: BaseTag) -> None:
    element = dataset[tag]
    if element.keyword == "PatientSex" and element.value not in ("M", "F", "O"):
        element.value = None
    if element.keyword == "PatientAge":
        years = re.fullmatch(r"(\d{3})Y", str(element.value or ""))
        if years and int(years[1]) > AGE_CAP_YEARS:
            element.value = f"{AGE_CAP_YEARS:03d}Y"


def _shift(element: DataElement, moved: Callable[[date], date]) -> None:
    """Move a DA, DT or TM, alone or several; a value that is no date or time becomes empty."""
    several = isinstance(element.value, MultiValue | list)
    values = element.value if several else [element.value]
    shifted = [_shifted(str(value or ""), element.VR, moved) for value in values]
    element.value = shifted if several else shifted[0]


def _shifted(text: str, vr: str, moved: Callable[[date], date]) -> str:
    if vr == "TM":
        hour = re.match(r"([01]\d|2[0-3])", text)
        return hour[1] if hour else ""
    # The dots are of ACR-NEMA, PS3.5 6.2 note 1.
    parts = re.match(r"(\d{4})\.?(\d{2})\.?(\d{2})([01]\d|2[0-3])?", text)
    if not parts:
        return ""
    try:
        day = moved(date(int(parts[1]), int(parts[2]), int(parts[3])))
    except ValueError:
        return ""
    return f"{day:%Y%m%d}".zfill(8) + ((parts[4] or "") if vr == "DT" else "")


def _rename(element: DataElement, pseudonymise: Pseudonymise) -> None:
    if isinstance(element.value, MultiValue | list):
        element.value = [pseudonymise("uid", str(uid)) for uid in element.value]
    elif element.value:
        element.value = pseudonymise("uid", str(element.value))


def _replace(element: DataElement, pseudonymise: Pseudonymise) -> None:
    """A dummy that fits the VR; in a sequence, one for every value."""
    if element.VR == "UI":
        _rename(element, pseudonymise)
    elif element.VR == "SQ":
        for item in element.value:
            for inner in list(item):
                _replace(inner, pseudonymise)
    else:
        element.value = _DUMMIES.get(element.VR, "ANONYMIZED")


def _actions() -> dict[int, str]:
    """Table E.1-1: tag → action code of the Basic Profile, without the repeating groups."""
    codes = {
        "D": table.D_TAGS,
        "Z": table.Z_TAGS,
        "X": table.X_TAGS,
        "U": table.U_TAGS,
        "Z/D": table.Z_D_TAGS,
        "X/Z": table.X_Z_TAGS,
        "X/D": table.X_D_TAGS,
        "X/Z/D": table.X_Z_D_TAGS,
    }
    # X/Z/U* (references to other images) is not listed: such a sequence is entered like any other,
    # and the UIDs in it are replaced by their own rows.
    found = {
        tag[0] << 16 | tag[1]: code for code, tags in codes.items() for tag in tags if len(tag) == 2
    }
    # Modified dates: column "Rtn. Long. Modif. Dates Opt." has C for every time but those of birth.
    times = {tag for tag in found if dictionary_has_tag(tag) and dictionary_VR(tag) in _TIMES}
    kept = CHARACTERISTICS | (times - _BIRTH_DATES)
    return {tag: code for tag, code in found.items() if tag not in kept}


_ACTIONS = _actions()
