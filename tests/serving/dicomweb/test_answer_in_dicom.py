"""One answer in DICOM, at the address that also answers in JSON."""

import io
import logging
import subprocess
import sys

import numpy as np
import pydicom
import pytest
from bodies import HEADERS, body, files
from brightness_release import TRUSTED, png
from fastapi.testclient import TestClient
from highdicom.sr import srread

from medpipe import workloads
from medpipe.serving import api, recorder
from medpipe.serving.catalogue import Catalogue

RELATED = 'multipart/related; type="application/dicom"'
FILMS = "/v1/chest_xray"


def post(client, content, *, accept, query="", kind="application/dicom", path=FILMS):
    headers = {"Content-Type": kind, "Accept": accept}
    return client.post(f"{path}{query}", content=content, headers=headers)


def dataset(content: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(content))


def test_the_report_says_what_the_json_says(client, film):
    said = post(client, film(), accept="application/json").json()
    report = post(client, film(), accept="application/dicom")
    assert report.headers["content-type"] == "application/dicom"
    (group,) = srread(io.BytesIO(report.content)).content.get_image_measurement_groups()
    risk, threshold = (each.value for each in group.get_measurements())
    assert (risk, threshold) == pytest.approx((said["risk"], said["threshold"]))
    (reached,) = group.get_qualitative_evaluations()
    assert reached.value.meaning == ("Yes" if said["decision"] else "No")
    assert group.finding_type.meaning == "Pneumonia"


def test_json_stays_what_is_given_to_whoever_does_not_ask(client, film):
    for accept in ("*/*", "text/html", "application/json, application/dicom"):
        assert post(client, film(), accept=accept).json()["workload"] == "chest_xray"


def test_a_form_gets_the_same_report(client, film):
    headers = {"Accept": "application/dicom"}
    form = client.post(FILMS, files={"file": ("Doe^Jane.dcm", film())}, headers=headers)
    assert dataset(form.content).Modality == "SR"


def test_report_and_map_come_together_and_only_if_asked_for(client, film):
    alone = post(client, film(), accept=RELATED)
    both = post(client, film(), accept=RELATED, query="?explain=true")
    (report,), (second, picture) = (map(dataset, files(each)) for each in (alone, both))
    assert (report.Modality, second.Modality, picture.Modality) == ("SR", "SR", "OT")
    assert picture.SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.3.1"
    assert len(np.unique(picture.pixel_array)) > 50


def test_both_are_filed_with_the_film_of_the_same_person(client, film):
    source = dataset(film())
    for content in files(post(client, film(), accept=RELATED, query="?explain=true")):
        made = dataset(content)
        for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "AccessionNumber"):
            assert made[keyword].value == source[keyword].value


def test_the_report_names_the_certificate_and_the_answer_of_the_log(client, film, caplog):
    with caplog.at_level(logging.INFO, "medpipe"):
        made = dataset(post(client, film(), accept="application/dicom").content)
    answer_id = caplog.messages[-1].split()[1].rstrip(":")
    papers = client.get(FILMS).json()
    assert made.DeviceSerialNumber == papers["certificate_sha256"]
    comments = [item.TextValue for item in made.ContentSequence if "TextValue" in item]
    assert f"Answer {answer_id}." in comments
    assert f"Intended use: {client.get('/v1/').json()[0]['intended_use']}" in comments


@pytest.mark.parametrize(
    ("changes", "status", "advice"),
    [
        ({"Modality": "MR"}, 422, "modality MR"),
        ({"StudyInstanceUID": None}, 422, "StudyInstanceUID is missing"),
        ({"PixelData": None}, 422, "no pixel data"),
        ({"Rows": 3}, 422, "min_side_px"),
    ],
)
def test_a_film_that_cannot_be_answered_is_refused_in_json(client, film, changes, status, advice):
    refused = post(client, film(**changes), accept="application/dicom")
    assert refused.status_code == status
    assert advice in refused.json()["error"]


def test_a_picture_that_is_no_dicom_has_no_study_to_be_filed_in(client):
    refused = post(client, png(9), accept="application/dicom", kind="image/png")
    assert refused.status_code == 415
    assert "accept application/json" in refused.json()["error"]


def test_a_workload_of_records_has_no_dicom(releases, pytestconfig, monkeypatch):
    monkeypatch.setattr(type(workloads.get("brightness")), "payload", "record")
    made = api.create(
        lambda: Catalogue(releases, trusted=lambda _: TRUSTED),
        recorder=lambda: recorder.at(releases),
        page=pytestconfig.rootpath / "service/page.html",
    )
    with TestClient(made) as client:
        asked = post(client, b"DICM", accept="application/dicom", path="/v1/brightness")
        stored = client.post("/dicomweb/brightness/studies", content=body(b"DICM"), headers=HEADERS)
    assert (asked.status_code, stored.status_code) == (406, 404)
    for refused in (asked, stored):
        assert "send JSON to /v1/brightness" in refused.json()["error"]


def test_no_one_is_named_in_the_log_or_in_a_refusal(client, film, caplog, recwarn):
    person = dataset(film())
    odd = film(PatientName="Doe" * 30, PatientID="Doe" * 30, StudyDescription="Doe" * 30)
    with caplog.at_level(logging.DEBUG):
        made = post(client, odd, accept=RELATED, query="?explain=true")
        refused = post(client, film(StudyInstanceUID=None), accept="application/dicom")
    assert (made.status_code, refused.status_code) == (200, 422)
    for name in ("Doe", str(person.PatientName).split("^")[0], person.PatientID):
        assert name not in caplog.text + refused.text
        assert not any(name in str(warning.message) for warning in recwarn)


def test_damaged_films_end_in_a_refusal_or_in_objects_that_can_be_read(client, film):
    rng, sound, refused = np.random.default_rng(0), bytearray(film()), set()
    for _ in range(60):
        damaged = sound.copy()
        for at in rng.integers(132, 1500, 2):
            damaged[at] = rng.integers(256)
        response = post(client, bytes(damaged), accept=RELATED, query="?explain=true")
        if response.status_code == 200:
            assert [dataset(f).Modality for f in files(response)] == ["SR", "OT"]
        else:
            refused.add(response.status_code)
    assert refused
    assert refused <= {400, 413, 415, 422}


def test_the_service_starts_without_what_only_dicom_answers_need():
    said = "import sys, medpipe.serving.api; print('highdicom' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
