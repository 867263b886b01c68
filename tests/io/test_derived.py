"""What is copied from an uploaded DICOM object into one that is made from it, and what is not."""

import io
import logging

import numpy as np
import pydicom
import pytest
from dicom_bytes import LIMITS, dicom_bytes
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)

from medpipe.errors import UnreadableError
from medpipe.io import derived

PIXELS = np.arange(64, dtype=np.uint8).reshape(8, 8)
UIDS = {
    "SOPInstanceUID": "1.2.3",
    "SeriesInstanceUID": "1.2.4",
    "StudyInstanceUID": "1.2.5",
}


def finished(source: bytes) -> Dataset:
    """The patient and study of `source`, read back from an object that is nothing else."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = "1.2.6"
    made.SeriesInstanceUID = "1.2.7"
    return pydicom.dcmread(
        io.BytesIO(derived.finish(made, derived.read(source, limits=LIMITS)).data)
    )


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 192", "Łoś^Zażółć"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
        ("ISO_IR 144", "Люксембург^Роза"),
    ],
)
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_a_name_stays_the_same_in_whatever_it_was_written(charset, name, syntax):
    source = dicom_bytes(
        PIXELS, syntax=syntax, SpecificCharacterSet=charset, PatientName=name, **UIDS
    )
    made = finished(source)
    assert str(made.PatientName) == name
    assert made.StudyInstanceUID == UIDS["StudyInstanceUID"]


def test_what_breaks_the_rules_is_copied_and_neither_judged_nor_logged(caplog, recwarn):
    source = bytearray(
        dicom_bytes(PIXELS, PatientID="JANE DOE 1", PatientBirthDate="19700101", **UIDS)
    )
    at = source.index(b"19700101")
    source[at : at + 8] = b"DOE 1970"
    with caplog.at_level(logging.DEBUG):
        made = finished(bytes(source))
    assert (made.PatientID, made.PatientBirthDate) == ("JANE DOE 1", "DOE 1970")
    assert "DOE" not in caplog.text + " ".join(str(warning.message) for warning in recwarn)


def test_what_the_upload_lacks_is_empty_and_what_it_has_beyond_is_left_out():
    source = dicom_bytes(PIXELS, PatientAddress="1 Invented Lane", StudyDate="20240101", **UIDS)
    made = finished(source)
    assert "PatientAddress" not in made
    assert (made.PatientName, made.PatientID, made.StudyDate) == ("", "", "20240101")


@pytest.mark.parametrize("keyword", [*UIDS, "SOPClassUID"])
@pytest.mark.parametrize("value", ["", "1.2.DOE", "1." + "2" * 70])
def test_a_file_that_nothing_can_refer_to_is_refused_by_the_element(keyword, value):
    source = pydicom.dcmread(io.BytesIO(dicom_bytes(PIXELS, **UIDS)))
    pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
    source[keyword].value = value
    buffer = io.BytesIO()
    source.save_as(buffer)
    pydicom.config.settings.writing_validation_mode = None
    with pytest.raises(UnreadableError, match=f"{keyword} is missing or no valid UID") as refused:
        derived.read(buffer.getvalue(), limits=LIMITS)
    assert "DOE" not in str(refused.value)


def test_uids_are_valid_stable_and_apart():
    found = [derived.uid("series", "report", "a"), derived.uid("series", "report", "b")]
    assert found[0] == derived.uid("series", "report", "a") != found[1]
    assert all(pydicom.uid.UID(each).is_valid and each.startswith("2.25.") for each in found)


def test_long_names_that_begin_alike_get_codes_of_their_own():
    left, right = (derived.private(f"pleural_effusion_{side}", "") for side in ("left", "right"))
    assert left.value != right.value
    assert max(len(left.value), len(right.value)) <= 16
    assert derived.private("threshold", "").value == "threshold"
