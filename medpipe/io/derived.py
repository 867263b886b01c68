"""What every DICOM object shares that is made here from an uploaded one.

Whose it is (patient and study) is copied from the upload into the object as it was sent, so that an
archive files both together; it goes nowhere else. highdicom, which makes the objects, never sees
it, because it would write a name that breaks the rules into the log.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from pydicom import config as pydicom_config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import UID

from medpipe.errors import UnreadableError
from medpipe.io import dicom, dicom_file
from medpipe.io.terminology import Code

MANUFACTURER = "medpipe"
RESEARCH = "For research: not a diagnosis"
"""Stands in every object, for people."""
LENGTH = 64
"""Characters of a long string (LO), and of a code's meaning, PS3.5 section 6.2."""
PRIVATE_SCHEME = "99MEDPIPE"
"""Of codes of our own; "99" makes it private, PS3.16 section 8."""
SERIES_NUMBER = 9900
"""Behind those of devices, so that a viewer opens the images first."""

_CODE_LENGTH = 16  # characters (SH)
_REFERRED_TO = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
_TYPE_2 = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
)
"""May be empty and must be there, PS3.3 tables C.7-1 and C.7-3."""
_IF_KNOWN = ("IssuerOfPatientID", "PatientAge", "StudyDescription")
_OF_THE_IMAGE = {
    "Laterality": ("L", "R"),
    "PatientOrientation": (),
    "BurnedInAnnotation": ("YES", "NO"),
    "LossyImageCompression": ("00", "01"),
}
"""With the values that are allowed; none are listed: any."""
_WANTED = (*_REFERRED_TO, *_TYPE_2, *_IF_KNOWN, *_OF_THE_IMAGE)


@dataclass(frozen=True)
class Source:
    """An uploaded object, as far as others are made from it.

    Parameters
    ----------
    sop_class_uid, instance_uid, series_uid, study_uid : what it is, and where it is filed
    subject : whose it is; text by keyword
    image : what of its picture holds for one that is drawn over it; text by keyword
    """

    sop_class_uid: str
    instance_uid: str
    series_uid: str
    study_uid: str
    subject: dict[str, str]
    image: dict[str, str]


@dataclass(frozen=True)
class Maker:
    """What made an object.

    Parameters
    ----------
    name, title : of the workload
    version : of the model
    software : version of medpipe
    certificate_sha256 : digest of the certificate that allows the model
    """

    name: str
    title: str
    version: str
    software: str
    certificate_sha256: str

    @property
    def uid(self) -> str:
        """The same for all that was made under one certificate."""
        return uid("certificate", self.certificate_sha256)

    @property
    def versions(self) -> str:
        """Of software and model, as Software Versions (0018,1020)."""
        return f"{MANUFACTURER} {self.software}, model {self.version}"[:LENGTH]


@dataclass(frozen=True)
class Origin:
    """From what, and as what, an object is made.

    Parameters
    ----------
    answer_id : of the answer that the object tells
    request_id : what belongs to one request and study makes one series of each kind
    number : within the series, from 1
    at : when the answer was given
    """

    source: Source
    answer_id: str
    request_id: str
    number: int
    at: datetime

    def series_uid(self, kind: str) -> str:
        """Of this kind's objects of the request and study."""
        return uid("series", kind, self.request_id, self.source.study_uid)

    def instance_uid(self, kind: str) -> str:
        """Of the object of this kind that tells the answer."""
        return uid("instance", kind, self.answer_id)


@dataclass(frozen=True)
class Made:
    """An object, as a file, and where it belongs."""

    series_uid: str
    instance_uid: str
    data: bytes


def uid(*parts: str) -> str:
    """The UID of what `parts` name, under the root that needs no registration, PS3.5 B.2."""
    return f"2.25.{uuid5(NAMESPACE_OID, '/'.join((MANUFACTURER, *parts))).int}"


def private(name: str, meaning: str) -> Code:
    """A code of our own, for what has none; two names never share one."""
    value = name
    if len(name) > _CODE_LENGTH:
        value = f"{name[:7]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return Code(value, PRIVATE_SCHEME, meaning[:LENGTH])


def read(data: bytes, *, limits: Mapping[str, Any]) -> Source:
    """The object in a DICOM file.

    Parameters
    ----------
    limits : ``max_pixels``, which says how large a deflated file may become

    Raises
    ------
    UnreadableError : it cannot be read, or one of its four UIDs is missing or malformed, so that
        nothing can refer to it
    """
    dataset = dicom_file.parse(data, wanted=_WANTED, inflated_max=dicom.inflated_max(limits))
    with dicom_file.explained():
        said = {key: _text(dataset[key].value) for key in _WANTED if key in dataset}
    for keyword in _REFERRED_TO:
        if not UID(said.get(keyword, "")).is_valid:
            raise UnreadableError(
                f"{keyword} is missing or no valid UID, so that no report can refer to the file; "
                "correct it at its source",
                fault="content",
            )
    return Source(
        sop_class_uid=said["SOPClassUID"],
        instance_uid=said["SOPInstanceUID"],
        series_uid=said["SeriesInstanceUID"],
        study_uid=said["StudyInstanceUID"],
        subject={key: said[key] for key in (*_TYPE_2, *_IF_KNOWN) if key in said},
        image={
            key: said[key]
            for key, allowed in _OF_THE_IMAGE.items()
            if key in said and (said[key] in allowed or not allowed)
        },
    )


def finish(made: Dataset, source: Source) -> Made:
    """`made` as a file, one of the patient and study of `source`."""
    made.SpecificCharacterSet = "ISO_IR 192"  # UTF-8: whatever the source was written in
    made.StudyInstanceUID = source.study_uid
    for keyword, text in (dict.fromkeys(_TYPE_2, "") | source.subject).items():
        put(made, keyword, text)
    buffer = io.BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return Made(str(made.SeriesInstanceUID), str(made.SOPInstanceUID), buffer.getvalue())


def put(made: Dataset, keyword: str, text: str) -> None:
    """Set a textual element without judging it: what the archive has, it must get."""
    made[keyword] = DataElement(
        tag_for_keyword(keyword),
        dictionary_VR(keyword),
        text,
        validation_mode=pydicom_config.IGNORE,
    )


def _text(value: object) -> str:
    """A value as the file spells it; "" for none."""
    if isinstance(value, MultiValue):
        return "\\".join(map(str, value))
    return "" if value is None else str(value)
