"""The objects held against the standard by dicom3tools' dciodvfy, which shares no code with us."""

import dataclasses
import io
import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from made_objects import MAKER, ORIGIN, OTHER, PNEUMONIA, PROCEDURE, RESULT, SOURCE

from medpipe.io import secondary_capture, structured_report
from medpipe.io.structured_report import Result

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("dciodvfy") is None, reason="no dciodvfy: apt-get install dicom3tools"
    ),
]
PERSON = {
    "PatientName": "山田^太郎",
    "PatientBirthDate": "19700101",
    "PatientSex": "F",
    "PatientAge": "055Y",
    "StudyDate": "20240101",
    "StudyTime": "101010",
    "AccessionNumber": "A1",
    "ReferringPhysicianName": "Müller^Jörg",
}
IMAGE = {
    "PatientOrientation": "L\\F",
    "BurnedInAnnotation": "NO",
    "LossyImageCompression": "01",
}


def errors(data: bytes, path) -> list[str]:
    path.write_bytes(data)
    done = subprocess.run(["dciodvfy", path], capture_output=True, text=True, errors="replace")
    said = (done.stdout + done.stderr).splitlines()
    assert any(line in ("ComprehensiveSR", "SCImage") for line in said), said
    return [line for line in said if line.startswith("Error")]


def origin(person, image):
    return dataclasses.replace(
        ORIGIN, source=dataclasses.replace(SOURCE, subject=person, image=image)
    )


@pytest.mark.parametrize("person", [{}, PERSON])
@pytest.mark.parametrize("results", [(RESULT,), (RESULT, OTHER), (Result(PNEUMONIA),)])
def test_a_report_is_valid(person, results, tmp_path):
    made = structured_report.write(
        origin(person, {}),
        MAKER,
        results,
        procedure=PROCEDURE,
        comments=("Grenzwert ≥ 0,4", "x" * 3000),
        is_complete=True,
    )
    assert errors(made.data, tmp_path / "report.dcm") == []


@pytest.mark.parametrize("person", [{}, PERSON])
@pytest.mark.parametrize("image", [{}, IMAGE])
def test_a_picture_is_valid(person, image, tmp_path):
    picture = np.zeros((100, 600, 3), np.uint8)
    made = secondary_capture.write(origin(person, image), MAKER, picture)
    assert errors(made.data, tmp_path / "picture.dcm") == []


def test_what_is_not_valid_would_be_found(tmp_path):
    made = secondary_capture.write(origin({}, {}), MAKER, np.zeros((100, 600, 3), np.uint8))
    broken = pydicom.dcmread(io.BytesIO(made.data))
    del broken.ConversionType
    buffer = io.BytesIO()
    broken.save_as(buffer)
    (error,) = errors(buffer.getvalue(), tmp_path / "picture.dcm")
    assert "ConversionType" in error
