"""De-identification of a DICOM file: the profile's actions at every level, on the bytes.

The engine of dicom-anonymizer is not used, only its table (`profile`): it acts on the top level
alone, keeps removed dates as dummies and draws UIDs at random, whereas PS3.15 E.1.1 asks for every
level, and the same study must get the same UID in every run. Values that stay are never decoded,
nor are pixels: a file that declares burned-in annotation is refused, not cleaned.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from io import BytesIO
from types import MappingProxyType

from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.tag import BaseTag
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medpipe.deidentify.elements import Encoding, file_head
from medpipe.deidentify.pixel_data import pixel_element
from medpipe.deidentify.profile import AGE_CAP_YEARS, DUMMIES, FULL_PLANES, METHOD, OPTIONS
from medpipe.deidentify.profile import action as action_for
from medpipe.errors import UnreadableError
from medpipe.workload import Pseudonymise

_SEX, _AGE = 0x00100040, 0x00101010
_PATIENT_NAME, _PATIENT_ID = 0x00100010, 0x00100020
_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018
_BURNED_IN = 0x00280301
_NOTHING: Mapping[int, bytes] = MappingProxyType({})
# What pydicom raises for headers that are not what they say.
_BROKEN = (
    *(InvalidDicomError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError),
    *(OSError, OverflowError, RecursionError, NotImplementedError, struct.error, zlib.error),
)


def deidentify(data: bytes, pseudonymise: Pseudonymise) -> bytes:
    """The DICOM file `data` without whoever it is about, its pixel bytes as they were.

    Parameters
    ----------
    data : the file's bytes
    pseudonymise : its "group" names the patient, its "uid" every instance, series and study,
        its shift moves the days

    Raises
    ------
    UnreadableError : not DICOM, pixel data cut short, or burned-in annotation declared
    """
    try:
        file = BytesIO(data)
        dataset = dcmread(file, stop_before_pixels=True)
        if _ascii(dataset, _BURNED_IN).upper() == "YES":
            raise UnreadableError(
                "burned-in annotation is declared; clean the pixels first", fault="content"
            )
        encoding = _encoding(dataset)
        syntax = UID(dataset.file_meta.get("TransferSyntaxUID") or _plain(encoding))
        meta = dataset.file_meta
        sop_class = _ascii(dataset, _SOP_CLASS) or meta.get("MediaStorageSOPClassUID", "")
        instance = _ascii(dataset, _SOP_INSTANCE) or meta.get("MediaStorageSOPInstanceUID", "")
        head = file_head(sop_class, pseudonymise("uid", instance), syntax)
        if syntax.is_deflated:
            return head + _deflated(_header(dcmread(BytesIO(data)), pseudonymise, encoding))
        pixels = pixel_element(
            data, file.tell(), implicit=encoding.implicit, little_endian=encoding.little_endian
        )
        return b"".join((head, _header(dataset, pseudonymise, encoding), pixels))
    except _BROKEN as error:
        raise UnreadableError(
            f"the DICOM header cannot be de-identified ({type(error).__name__}); check that the "
            "file opens in a viewer, and export it again from the archive"
        ) from None


def _ascii(dataset: Dataset, tag: int) -> str:
    """The value of an element in the default repertoire, read without decoding the element."""
    element = dataset.get_item(tag)
    return "" if element is None else (element.value or b"").decode("ascii").strip(" \0")


def _bytes(element: DataElement | RawDataElement, encoding: Encoding) -> bytes:
    """The value as it is in the file.

    pydicom decodes two elements on its own while it reads: SpecificCharacterSet, and
    PixelRepresentation where there are sequences.
    """
    value = element.value
    if value is None or isinstance(value, bytes):
        return value or b""
    if isinstance(value, int):
        return value.to_bytes(2, "little" if encoding.little_endian else "big")
    return "\\".join([value] if isinstance(value, str) else value).encode("ascii")


def _encoding(dataset: FileDataset) -> Encoding:
    implicit, little_endian = dataset.original_encoding
    return Encoding(implicit=bool(implicit), little_endian=little_endian is not False)


def _plain(encoding: Encoding) -> UID:
    if encoding.implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if encoding.little_endian else ExplicitVRBigEndian


def _deflated(body: bytes) -> bytes:
    """PS3.5 A.5: raw deflate, padded to even length."""
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    compressed = deflate.compress(body) + deflate.flush()
    return compressed + b"\0" * (len(compressed) % 2)


def _header(dataset: FileDataset, pseudonymise: Pseudonymise, encoding: Encoding) -> bytes:
    patient_id = str(dataset.get("PatientID") or "")
    group = pseudonymise("group", patient_id).encode("ascii")
    # The name repeats the pseudonym, which the table's Z allows: viewers list patients by name.
    named = {
        _PATIENT_NAME: encoding.element(_PATIENT_NAME, "PN", group),
        _PATIENT_ID: encoding.element(_PATIENT_ID, "LO", group),
    }
    profile = _Profile(pseudonymise, patient_id, encoding)
    return profile.clean(dataset, added=named | _declared(encoding))


@cache
def _declared(encoding: Encoding) -> dict[int, bytes]:
    """What PS3.15 E.1.1 asks to be said of a file that was de-identified."""
    items = [
        encoding.element(0x00080100, "SH", value.encode())
        + encoding.element(0x00080102, "SH", b"DCM")
        + encoding.element(0x00080104, "LO", meaning.encode())
        for value, meaning in OPTIONS
    ]
    return {
        0x00120062: encoding.element(0x00120062, "CS", b"YES"),
        0x00120063: encoding.element(0x00120063, "LO", "\\".join(METHOD).encode()),
        0x00120064: encoding.sequence(0x00120064, items),
        0x00280303: encoding.element(0x00280303, "CS", b"MODIFIED"),
    }


@dataclass(frozen=True)
class _Profile:
    """The table's actions for the files of one patient."""

    pseudonymise: Pseudonymise
    patient_id: str
    encoding: Encoding

    def clean(self, dataset: Dataset, *, added: Mapping[int, bytes] = _NOTHING) -> bytes:
        """`dataset` and all that is nested in it, encoded; `added` takes the place of its own."""
        elements = dict(added)
        for tag in dataset.keys():  # noqa: SIM118 - a Dataset iterates over decoded elements
            if int(tag) not in added:
                elements[int(tag)] = self._element(dataset, tag)
        return b"".join(elements[tag] for tag in sorted(elements))

    def _element(self, dataset: Dataset, tag: BaseTag) -> bytes:
        if tag.is_private or not dictionary_has_tag(tag) or tag.group >> 8 in FULL_PLANES:
            return b""
        element = dataset.get_item(tag)
        vr = dictionary_VR(tag) if element.VR in (None, "UN") else element.VR
        action = action_for(int(tag), vr)
        if element.VR == "UN" and (action or vr == "SQ"):
            # Its writer did not know the element and its bytes may be in another encoding.
            return b""
        if action == "X":
            return b""
        if vr == "SQ":
            return self._sequence(dataset, tag, action)
        value = _bytes(element, self.encoding)
        if action is not None:
            value = self._changed(int(tag), vr, action, value)
        return self.encoding.element(int(tag), element.VR or vr, value)

    def _sequence(self, dataset: Dataset, tag: BaseTag, action: str | None) -> bytes:
        if action == "Z":
            return self.encoding.sequence(int(tag), ())
        inner = self.clean if action is None else self._dummies
        return self.encoding.sequence(int(tag), (inner(item) for item in dataset[tag].value))

    def _changed(self, tag: int, vr: str, action: str, value: bytes) -> bytes:
        """`value` after `action`: K, U, S (shift), Z or D."""
        if action == "Z":
            return b""
        if action == "D" and vr != "UI":
            return DUMMIES.get(vr, b"ANONYMIZED")
        texts = value.decode("ascii", errors="replace").strip(" \0").split("\\")
        if action == "K":
            return _characteristic(tag, texts[0], value)
        changed = [self._shifted(text, vr) if action == "S" else self._uid(text) for text in texts]
        return "\\".join(changed).encode("ascii")

    def _dummies(self, dataset: Dataset) -> bytes:
        """The items of a sequence that must not be empty: every value a dummy."""
        encoded = b""
        for tag in dataset.keys():  # noqa: SIM118
            if tag.is_private or not dictionary_has_tag(tag):
                continue
            vr = dataset.get_item(tag).VR or dictionary_VR(tag)
            if vr == "SQ":
                encoded += self._sequence(dataset, tag, "D")
            else:
                value = self._changed(
                    int(tag), vr, "D", _bytes(dataset.get_item(tag), self.encoding)
                )
                encoded += self.encoding.element(int(tag), vr, value)
        return encoded

    def _uid(self, uid: str) -> str:
        return self.pseudonymise("uid", uid) if uid else ""

    def _shifted(self, text: str, vr: str) -> str:
        """A DA, DT or TM; what is no date or time becomes empty."""
        if vr == "TM":
            hour = re.match(r"([01]\d|2[0-3])", text)
            return hour[1] if hour else ""
        # The dots are of ACR-NEMA, PS3.5 6.2 note 1.
        parts = re.match(r"(\d{4})\.?(\d{2})\.?(\d{2})([01]\d|2[0-3])?", text)
        try:
            day = date(*(int(part) for part in parts.groups()[:3])) if parts else None
        except ValueError:
            day = None
        if parts is None or day is None:
            return ""
        day = self.pseudonymise.shift(self.patient_id, day)
        return day.isoformat().replace("-", "") + ((parts[4] or "") if vr == "DT" else "")


def _characteristic(tag: int, text: str, value: bytes) -> bytes:
    if tag == _SEX:
        return value if text in ("M", "F", "O") else b""
    if tag == _AGE:
        years = re.fullmatch(r"(\d{3})Y", text)
        return (
            f"{AGE_CAP_YEARS:03d}Y".encode() if years and int(years[1]) >= AGE_CAP_YEARS else value
        )
    return value
