"""De-identification of DICOM files: the standard's table, every level, every encoding."""

import io
import os
import struct
from pathlib import Path

import pydicom
import pytest
from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from medpipe.deidentify.dicom import deidentify
from medpipe.deidentify.profile import CHARACTERISTICS
from medpipe.deidentify.pseudonym import Pseudonyms
from medpipe.errors import UnreadableError
from medpipe.synthetic import sample

NAMES = Pseudonyms(b"a key that only the tests know!!")
PIXELS = bytes(range(256)) * 2
SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
REAL = Path(os.environ.get("MEDPIPE_REAL_DATA", "../shared/data")) / "dicom_transfer_syntaxes"


def item(**elements):
    dataset = pydicom.Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def dicom_file(*, syntax=ExplicitVRLittleEndian, **elements):
    dataset = item(
        SOPClassUID=DigitalXRayImageStorageForPresentation,
        SOPInstanceUID="1.2.3.4",
        SpecificCharacterSet="ISO_IR 192",
        PatientID="PLANTED-4711",
        PatientName="Plantée^Ångström",
        Rows=16,
        Columns=16,
        BitsAllocated=16,
        BitsStored=12,
        HighBit=11,
        PixelRepresentation=0,
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        PixelData=PIXELS,
    )
    dataset["PixelData"].VR = "OW"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    dataset.preamble = b"PLANTED-preamble".ljust(128, b"\0")
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def cleaned(data):
    return pydicom.dcmread(io.BytesIO(deidentify(data, NAMES)))


@pytest.fixture(scope="module")
def sample_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    sample.write(folder, patients=4, seed=3)
    files = [path.read_bytes() for path in sorted(folder.rglob("*.dcm"))]
    return [data for data in files if data[128:132] == b"DICM"]


def expected(tag):
    """Action of Table E.1-1 for `tag`, straight from its lists."""
    lists = {
        name: getattr(table, name)
        for name in dir(table)
        if name.endswith("_TAGS") and name[0] != "A"
    }
    found = [name for name, tags in lists.items() if (tag.group, tag.element) in tags]
    return found[0].removesuffix("_TAGS") if found else None


def test_sample_files_fulfil_the_standards_table(sample_files):
    for data in sample_files:
        before, after = pydicom.dcmread(io.BytesIO(data)), cleaned(data)
        for element in before:
            action, now = expected(element.tag), after.get(element.tag)
            if element.keyword in ("PatientID", "PatientName"):
                assert now.value == NAMES("group", before.PatientID)
            elif element.VR in ("DA", "TM") and element.keyword != "PatientBirthDate":
                assert now.value != element.value
            elif int(element.tag) in CHARACTERISTICS or action is None:
                assert (now is None) == element.tag.is_private
                assert now is None or now.value == element.value
            elif action == "X":
                assert now is None, element.keyword
            elif action in ("Z", "X_Z"):
                assert now.value in ("", None), element.keyword
            else:
                assert now.value != element.value, element.keyword


def test_no_string_of_a_sample_persons_header_is_left(sample_files):
    groups = (
        ("PatientName", "PatientID", "PatientBirthDate", "PatientAddress", "OtherPatientIDs"),
        ("PatientTelephoneNumbers", "ReferringPhysicianName", "AccessionNumber", "OperatorsName"),
        ("StudyDescription", "InstitutionName", "InstitutionAddress", "StationName", "StudyDate"),
        ("DeviceSerialNumber", "StudyTime", "StudyInstanceUID", "SeriesInstanceUID"),
    )
    keywords = [keyword for group in groups for keyword in group]
    for data in sample_files:
        dataset, left = pydicom.dcmread(io.BytesIO(data)), deidentify(data, NAMES)
        planted = [str(dataset[k].value) for k in keywords if k in dataset and dataset[k].value]
        planted += [str(element.value) for element in dataset if element.tag.is_private]
        parts = {part for text in planted for part in text.split("^") if len(part) > 3}
        assert len(parts) > 15
        assert not [part for part in parts if part.encode() in left]


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda s: s.name)
def test_identifiers_go_at_every_level_and_pixels_stay(syntax):
    nested = item(
        PatientName="Planted^Inner",
        StudyDate="20200101",
        CodeMeaning="kept",
        OtherPatientIDsSequence=[item(PatientID="PLANTED-deep")],
    )
    private = nested.private_block(0x0011, "PLANTED-maker", create=True)
    private.add_new(1, "LO", "PLANTED-private")
    data = dicom_file(
        syntax=syntax, AnatomicRegionSequence=[nested], InstitutionName="PLANTED-hospital"
    )
    left = deidentify(data, NAMES)
    after = pydicom.dcmread(io.BytesIO(left))
    assert b"PLANTED" not in left.upper()
    assert "planted" not in str(after).lower()
    assert after.AnatomicRegionSequence[0].CodeMeaning == "kept"
    assert after.PixelData == PIXELS
    assert after.file_meta.TransferSyntaxUID == syntax


def test_references_between_files_survive():
    first = cleaned(dicom_file(SOPInstanceUID="1.2.3.1", StudyInstanceUID="1.2.9"))
    reference = item(
        ReferencedSOPClassUID=DigitalXRayImageStorageForPresentation,
        ReferencedSOPInstanceUID="1.2.3.1",
    )
    second = cleaned(
        dicom_file(
            SOPInstanceUID="1.2.3.2", StudyInstanceUID="1.2.9", ReferencedImageSequence=[reference]
        )
    )
    kept = second.ReferencedImageSequence[0]
    assert kept.ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert kept.ReferencedSOPClassUID == DigitalXRayImageStorageForPresentation
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.file_meta.MediaStorageSOPInstanceUID == first.SOPInstanceUID


def test_what_was_done_is_declared():
    after = cleaned(dicom_file())
    codes = [code.CodeValue for code in after.DeidentificationMethodCodeSequence]
    assert after.PatientIdentityRemoved == "YES"
    assert after.LongitudinalTemporalInformationModified == "MODIFIED"
    assert codes == ["113100", "113107", "113108"]
    assert all(len(text) <= 64 for text in after.DeidentificationMethod)


def test_days_move_together_and_times_are_cut_to_the_hour():
    after = cleaned(
        dicom_file(
            StudyDate="20200228",
            ContentDate="20200302",
            AcquisitionDateTime="20200302142233.5+0100",
            StudyTime="142233.123456",
        )
    )
    day = NAMES.shift("PLANTED-4711", pydicom.valuerep.DA("20200228"))
    assert after.StudyDate == f"{day:%Y%m%d}"
    dates = [pydicom.valuerep.DA(text) for text in (after.StudyDate, after.ContentDate)]
    assert (dates[1] - dates[0]).days == 3
    assert after.AcquisitionDateTime == after.ContentDate + "14"
    assert after.StudyTime == "14"


@pytest.mark.parametrize("text", ["20201301", "unknown", "2020", ""])
def test_date_that_is_none_becomes_empty(text):
    with pydicom.config.disable_value_validation():
        assert not cleaned(dicom_file(StudyDate=text)).StudyDate


@pytest.mark.parametrize(
    ("age", "kept"), [("089Y", "089Y"), ("090Y", "090Y"), ("104Y", "090Y"), ("011M", "011M")]
)
def test_age_is_capped_at_ninety(age, kept):
    assert cleaned(dicom_file(PatientAge=age, PatientBirthDate="19300101")).PatientAge == kept


def test_sex_that_is_not_a_code_is_emptied():
    with pydicom.config.disable_value_validation():
        assert not cleaned(dicom_file(PatientSex="SEE MR PLANTED")).PatientSex
    assert cleaned(dicom_file(PatientSex="F")).PatientSex == "F"


def test_row_that_knows_the_patient_names_the_file():
    after = pydicom.dcmread(io.BytesIO(deidentify(dicom_file(), NAMES.of("77"))))
    assert after.PatientID == NAMES("group", "77")


def test_declared_burned_in_annotation_is_refused():
    with pytest.raises(UnreadableError, match="burned-in annotation") as caught:
        deidentify(dicom_file(BurnedInAnnotation="YES"), NAMES)
    assert caught.value.fault == "content"


def test_what_follows_the_pixels_is_dropped():
    planted = b"PLANTED-signature."
    tail = struct.pack("<HH2s2xI", 0xFFFC, 0xFFFC, b"OB", len(planted)) + planted
    left = deidentify(dicom_file() + tail, NAMES)
    assert planted not in left
    assert left.endswith(PIXELS)


def test_sequence_that_must_not_be_empty_holds_dummies():
    observer = item(
        VerifyingObserverName="Planted^Doctor",
        VerificationDateTime="20200101",
        VerifyingOrganization="PLANTED",
        VerifyingObserverIdentificationCodeSequence=[item(CodeMeaning="PLANTED")],
    )
    left = deidentify(dicom_file(VerifyingObserverSequence=[observer]), NAMES)
    kept = pydicom.dcmread(io.BytesIO(left)).VerifyingObserverSequence[0]
    assert kept.VerifyingObserverName == "ANONYMIZED"
    assert kept.VerifyingObserverIdentificationCodeSequence[0].CodeMeaning == "ANONYMIZED"
    assert b"PLANTED" not in left.upper()


@pytest.mark.parametrize("cut", [20, 300])
def test_file_whose_pixels_are_cut_short_is_refused(cut):
    with pytest.raises(UnreadableError, match="cut short"):
        deidentify(dicom_file()[:-cut], NAMES)


def test_what_is_not_dicom_is_refused_without_repeating_it():
    with pytest.raises(UnreadableError) as caught:
        deidentify(b"Planted letter to Mrs Planted" * 20, NAMES)
    assert "Planted" not in str(caught.value)


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="MEDPIPE_REAL_DATA has no dicom_transfer_syntaxes")
def test_every_real_transfer_syntax_keeps_its_pixels_and_loses_its_name():
    paths = [p for p in REAL.iterdir() if p.read_bytes()[128:132] == b"DICM"]
    assert len(paths) >= 20
    for path in paths:
        before, after = pydicom.dcmread(path), cleaned(path.read_bytes())
        assert after.get("PixelData") == before.get("PixelData"), path.name
        assert after.PatientID == NAMES("group", str(before.get("PatientID") or ""))
        assert not [e for e in after.iterall() if e.tag.is_private], path.name
