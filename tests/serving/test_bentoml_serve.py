"""``bentoml serve``, typed in the project: a real process on a free port of this machine."""

import base64
import socket
import time

import httpx
import pydicom
import pytest
import running
from brightness_release import write_release

from medpipe import workloads
from medpipe.errors import UnreadableError

pytestmark = pytest.mark.slow
LIMITS = {"max_side_px": 512, "min_side_px": 4, "max_pixels": 100_000_000}


@pytest.fixture(scope="module")
def radiograph(tmp_path_factory):
    """A readable DICOM file of an invented person."""
    workload, folder = workloads.get("chest_xray"), tmp_path_factory.mktemp("sample")
    workload.synthesise(folder, patients=3, seed=1)
    for item in workload.source("sample", folder, options={}).items():
        try:
            workload.read(item.payload.read_bytes(), limits=LIMITS)
        except UnreadableError:
            continue
        if pydicom.dcmread(item.payload, force=True).get("PatientName"):
            return item.payload
    raise AssertionError("the sample has no readable radiograph")


@pytest.fixture(scope="module")
def served(tmp_path_factory, pytestconfig):
    """Address of the running service and the file with its output."""
    folder = tmp_path_factory.mktemp("served")
    write_release(
        folder / "releases" / "chest_xray",
        workload="chest_xray",
        limits=LIMITS,
        serve={"max_upload_mib": 64, "max_pixels": 100_000_000, "batch_max": 4, "threads": 1},
    )
    with running.serve(pytestconfig.rootpath, folder) as address:
        yield address, folder / "log"


def test_an_uploaded_radiograph_is_answered_and_explained(served, radiograph):
    address, _ = served
    with radiograph.open("rb") as file:
        answer = httpx.post(f"{address}/v1/chest_xray?explain=true", files={"file": file}).json()
    assert 0 <= answer["risk"] <= 1
    assert answer["decision"] is (answer["risk"] >= answer["threshold"])
    assert base64.b64decode(answer["explanation"]["picture"]).startswith(b"\x89PNG")


def test_a_film_of_another_modality_is_refused_and_told_why(served, radiograph, tmp_path):
    address, _ = served
    other = pydicom.dcmread(radiograph)
    other.Modality = "MR"
    other.save_as(tmp_path / "other.dcm")
    response = httpx.post(
        f"{address}/v1/chest_xray",
        content=(tmp_path / "other.dcm").read_bytes(),
        headers={"Content-Type": "application/dicom"},
    )
    assert response.status_code == 422
    assert "MR" in response.json()["error"]


def test_the_process_s_log_tells_answers_and_no_person(served, radiograph):
    address, log = served
    person = pydicom.dcmread(radiograph)
    upload = {"file": (f"{person.PatientID}.dcm", radiograph.read_bytes())}
    answer = httpx.post(f"{address}/v1/chest_xray?id={person.PatientID}", files=upload).json()
    httpx.get(f"{address}/v1/{person.PatientID}")
    time.sleep(0.3)
    text = log.read_text()
    assert f"answer {answer['answer_id']}: chest_xray 3, answered" in text
    assert str(person.PatientID) not in text
    assert not any(part in text for part in str(person.PatientName).split("^") if len(part) > 2)


def test_only_this_machine_can_reach_it_unless_told_otherwise(served):
    port = int(served[0].rpartition(":")[2])
    with socket.socket() as probe:  # another address of this machine is free: nobody listens there
        probe.bind(("127.0.0.2", port))
