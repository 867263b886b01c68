"""One radiograph of an invented patient as a DICOM file, with the identifiers of real ones."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import openjpeg.utils
import rle.utils
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from medpipe.synthetic.people import Person
from medpipe.synthetic.scanner import Exposure, Scanner

Coding = Literal["explicit", "implicit", "rle", "jpeg2000"]
_SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg2000": JPEG2000Lossless,
}
_CLASSES = {"CR": ComputedRadiographyImageStorage, "DX": DigitalXRayImageStorageForPresentation}
_UUID_ROOT = "2.25."  # UIDs made of a random number need no registered root: PS3.5 annex B.2
_GREY = 2  # OpenJPEG's number for grey images
_TITLES = {"F": "Mrs", "M": "Mr"}


@dataclass(frozen=True)
class Visit:
    """When and how one film of a person was taken."""

    day: date
    number: int
    view: Literal["PA", "AP"]
    complaint: str


def dicom_file(
    person: Person,
    visit: Visit,
    scanner: Scanner,
    exposure: Exposure,
    *,
    coding: Coding,
    rng: np.random.Generator,
) -> bytes:
    """The bytes of the file; UIDs come from `rng`, so the same arguments give the same bytes."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = _SYNTAXES[coding]
    meta.MediaStorageSOPClassUID = _CLASSES[scanner.modality]
    meta.MediaStorageSOPInstanceUID = _uid(rng)
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = _uid(rng), _uid(rng)
    _write_person(dataset, person, visit)
    _write_visit(dataset, person, visit, rng)
    _write_scanner(dataset, scanner)
    _write_pixels(dataset, exposure, coding)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _uid(rng: np.random.Generator) -> str:
    return _UUID_ROOT + str(int.from_bytes(rng.bytes(16), "big"))


def _write_person(dataset: Dataset, person: Person, visit: Visit) -> None:
    dataset.PatientName = person.dicom_name
    dataset.PatientID = person.patient_id
    dataset.PatientBirthDate = person.born.strftime("%Y%m%d")
    dataset.PatientSex = person.sex
    dataset.PatientAge = f"{person.age_years(visit.day):03d}Y"
    dataset.PatientAddress = person.address
    dataset.PatientTelephoneNumbers = person.telephone
    dataset.OtherPatientIDs = f"NHS {person.patient_id[-7:]}"
    dataset.ReferringPhysicianName = person.physician
    block = dataset.private_block(0x0009, "NORTHWIND PACS 2", create=True)
    block.add_new(0x01, "LO", f"{person.given} {person.family}")
    block.add_new(0x02, "SH", f"bed {visit.number + 3}")


def _write_visit(dataset: Dataset, person: Person, visit: Visit, rng: np.random.Generator) -> None:
    day = visit.day.strftime("%Y%m%d")
    time = f"{rng.integers(7, 20):02d}{rng.integers(60):02d}{rng.integers(60):02d}"
    for moment in ("Study", "Series", "Acquisition", "Content"):
        setattr(dataset, f"{moment}Date", day)
        setattr(dataset, f"{moment}Time", time)
    named = f"{_TITLES[person.sex]} {person.given} {person.family}"
    dataset.AccessionNumber = f"A{int(rng.integers(10**8)):08d}"
    dataset.StudyID = str(visit.number + 1)
    dataset.StudyDescription = f"CHEST {visit.view}, {named}, {visit.complaint}"[:64]
    dataset.SeriesNumber, dataset.InstanceNumber = 1, visit.number + 1
    dataset.BodyPartExamined = "CHEST"
    dataset.ViewPosition = visit.view
    dataset.Laterality = "U"
    dataset.PatientOrientation = ["R", "F"] if visit.view == "AP" else ["L", "F"]
    dataset.BurnedInAnnotation = "NO"


def _write_scanner(dataset: Dataset, scanner: Scanner) -> None:
    dataset.Modality = scanner.modality
    dataset.Manufacturer = scanner.manufacturer
    dataset.ManufacturerModelName = scanner.model
    dataset.DeviceSerialNumber = scanner.serial
    dataset.InstitutionName = scanner.institution
    dataset.InstitutionAddress = scanner.address
    dataset.StationName = scanner.station
    dataset.OperatorsName = "Radiographer^Duty"


def _write_pixels(dataset: Dataset, exposure: Exposure, coding: Coding) -> None:
    pixels = exposure.pixels
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = exposure.photometric
    dataset.BitsAllocated = pixels.itemsize * 8
    dataset.BitsStored = exposure.bits
    dataset.HighBit = exposure.bits - 1
    dataset.PixelRepresentation = 0
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
    dataset.PresentationLUTShape = (
        "INVERSE" if exposure.photometric == "MONOCHROME1" else "IDENTITY"
    )
    if exposure.window:
        dataset.WindowCenter, dataset.WindowWidth = (round(value) for value in exposure.window)
    if coding == "rle":
        frame = next(rle.utils.encode_array(pixels, dataset))
    elif coding == "jpeg2000":
        frame = openjpeg.utils.encode_array(
            pixels, bits_stored=exposure.bits, photometric_interpretation=_GREY
        )
    dataset.PixelData = encapsulate([frame]) if coding in ("rle", "jpeg2000") else pixels.tobytes()
    dataset["PixelData"].VR = (
        "OB" if pixels.itemsize == 1 or coding in ("rle", "jpeg2000") else "OW"
    )
