"""STOW-RS and WADO-RS: instance by instance, with the standard's reasons and statuses."""

import io
import os
from pathlib import Path

import pydicom
import pytest
from bodies import HEADERS, body, files
from fastapi.testclient import TestClient
from pydicom.dataset import Dataset

from medpipe.serving import access, desk
from medpipe.serving.access import keyfile

REAL = Path(os.environ.get("MEDPIPE_REAL_DATA", "../shared/data")) / "dicom_transfer_syntaxes"
BASE = "/dicomweb/chest_xray/studies"
UNDERSTOOD, NO_MATCH, NO_CLASS, NO_SYNTAX, TOO_LARGE = 0xC000, 0xA900, 0x0122, 0xC122, 0xA700


def store(client, *sent: bytes, path=BASE, kind="application/dicom", **headers):
    return client.post(path, content=body(*sent, kind=kind), headers={**HEADERS, **headers})


def outcome(response) -> Dataset:
    assert response.headers["content-type"] == "application/dicom+json"
    return Dataset.from_json(response.text)


def reasons(response) -> dict[str, int]:
    """Failure reason by SOP Instance UID."""
    failed = outcome(response).get("FailedSOPSequence", ())
    return {item.ReferencedSOPInstanceUID: item.FailureReason for item in failed}


def test_every_film_of_a_study_is_answered_and_its_report_can_be_fetched(client, film):
    response = store(client, film(1), film(2))
    said = outcome(response)
    assert response.status_code == 200
    assert [item.ReferencedSOPInstanceUID for item in said.ReferencedSOPSequence] == [
        "1.2.3.1",
        "1.2.3.2",
    ]
    assert "FailedSOPSequence" not in said
    reports = [pydicom.dcmread(io.BytesIO(f)) for f in files(client.get(said.RetrieveURL))][-2:]
    assert {report.Modality for report in reports} == {"SR"}
    assert [report.InstanceNumber for report in reports] == [1, 2]
    assert len({report.SeriesInstanceUID for report in reports}) == 1


def test_the_film_itself_is_not_kept(client, film):
    said = outcome(store(client, film(5)))
    kept = [pydicom.dcmread(io.BytesIO(file)) for file in files(client.get(said.RetrieveURL))]
    assert "1.2.3.5" not in {each.SOPInstanceUID for each in kept}


def test_what_one_sender_is_given_no_other_can_fetch(create, film, tmp_path):
    keys = tmp_path / ".medpipe" / "keys" / "access.json"
    secrets = [
        keyfile.add(keys, name, scopes=["answer:*"], lifetime=None)[1] for name in ("mri", "er")
    ]
    sender, other = ({"Authorization": f"Bearer {secret}"} for secret in secrets)
    with TestClient(create(porter=access.at(tmp_path))) as client:
        address = outcome(store(client, film(StudyInstanceUID="1.2.70"), **sender)).RetrieveURL
        assert client.get(address, headers=sender).status_code == 200
        assert client.get(address, headers=other).status_code == 404
        assert client.get(address).status_code == 401


def test_a_map_is_kept_where_it_was_asked_for_and_found_by_its_address(client, film):
    study = "1.2.77"
    store(client, film(StudyInstanceUID=study), path=f"{BASE}?explain=true")
    report, picture = (
        pydicom.dcmread(io.BytesIO(file)) for file in files(client.get(f"{BASE}/{study}"))
    )
    assert (report.Modality, picture.Modality) == ("SR", "OT")
    series = f"{BASE}/{study}/series/{picture.SeriesInstanceUID}"
    (found,) = files(client.get(f"{series}/instances/{picture.SOPInstanceUID}"))
    assert files(client.get(series)) == [found]
    assert pydicom.dcmread(io.BytesIO(found)) == picture


def test_one_broken_film_fails_no_other(client, film):
    response = store(client, film(1), film(2)[:-9000], film(3, Modality="MR"), film(4))
    assert response.status_code == 202
    answered = outcome(response).ReferencedSOPSequence
    assert [item.ReferencedSOPInstanceUID for item in answered] == ["1.2.3.1", "1.2.3.4"]
    assert reasons(response) == {"1.2.3.2": UNDERSTOOD, "1.2.3.3": NO_CLASS}
    first, second = response.headers.get_list("warning")
    assert first.startswith('299 medpipe "instance 2: the pixel data are fewer')
    assert "modality MR" in second


def test_every_film_is_on_record_once_whether_answered_or_not(client, film, books):
    store(client, film(1), b"junk", film(3, Modality="MR"))
    kept = books.store(books.chain(create=False))
    kept.open(create=False)
    found = kept.last(3)
    kept.close()
    assert {each.standard for each in found} == {"dicomweb"}
    assert len({each.answer_id for each in found}) == 3
    assert [each.status for each in found] == [200, 415, 422]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Modality": "CT"}, NO_CLASS),
        ({"PixelData": None}, NO_MATCH),
        ({"BodyPartExamined": "HAND"}, NO_MATCH),
        ({"NumberOfFrames": 2}, NO_MATCH),
        ({"PhotometricInterpretation": "RGB"}, NO_MATCH),
        ({"Rows": 65_535}, TOO_LARGE),
        ({"BitsAllocated": 7}, UNDERSTOOD),
    ],
)
def test_a_film_that_is_refused_gets_the_reason_of_the_standard(client, film, changes, reason):
    response = store(client, film(**changes))
    assert response.status_code == 409
    assert reasons(response) == {"1.2.3.1": reason}
    assert "ReferencedSOPSequence" not in outcome(response)
    assert "RetrieveURL" not in outcome(response)


def test_a_syntax_that_is_not_read_is_told_from_a_broken_file(client, film):
    movie = pydicom.dcmread(io.BytesIO(film()))
    movie.PixelData = pydicom.encaps.encapsulate([b"\0\0\1\xba" * 100])
    movie.file_meta.TransferSyntaxUID = pydicom.uid.MPEG2MPML
    movie["PixelData"].VR = "OB"
    buffer = io.BytesIO()
    movie.save_as(buffer)
    assert reasons(store(client, buffer.getvalue())) == {"1.2.3.1": NO_SYNTAX}


@pytest.mark.parametrize("sent", [b"", b"junk", bytes(200) + b"DICM", bytes(1 << 20) + b"x"])
def test_a_file_whose_name_cannot_be_read_fails_without_one(client, film, sent):
    response = store(client, sent, film(1))
    said = outcome(response)
    assert response.status_code == 202
    assert "FailedSOPSequence" not in said
    (other,) = said.OtherFailuresSequence
    assert other.FailureReason == (TOO_LARGE if len(sent) > 1 << 20 else UNDERSTOOD)


def test_a_part_that_says_it_is_something_else_is_not_read(client, film):
    response = store(client, film(), kind="image/png")
    assert response.status_code == 409
    assert outcome(response).OtherFailuresSequence[0].FailureReason == UNDERSTOOD


def test_a_film_of_another_study_than_the_address_is_refused(client, film):
    own, other = film(1, StudyInstanceUID="1.2.88"), film(2, StudyInstanceUID="1.2.89")
    response = store(client, own, other, path=f"{BASE}/1.2.88")
    assert response.status_code == 202
    assert reasons(response) == {"1.2.3.2": NO_MATCH}
    assert outcome(response).RetrieveURL.endswith("/studies/1.2.88")


def test_films_of_two_studies_are_fetched_each_from_its_own_address(client, film):
    films = (film(1, StudyInstanceUID="1.2.90"), film(2, StudyInstanceUID="1.2.91"))
    assert "RetrieveURL" not in outcome(store(client, *films))
    for study in ("1.2.90", "1.2.91"):
        (report,) = files(client.get(f"{BASE}/{study}"))
        assert pydicom.dcmread(io.BytesIO(report)).StudyInstanceUID == study


@pytest.mark.parametrize(
    ("path", "headers", "status", "advice"),
    [
        ("/dicomweb/astrology/studies", {}, 404, "no such workload"),
        (BASE, {"Accept": "application/dicom+xml"}, 406, "application/dicom+json"),
        (BASE, {"Content-Type": "application/dicom"}, 415, "multipart/related"),
        (f"{BASE}/DOE", {}, 422, "pattern"),
    ],
)
def test_a_request_that_is_wrong_as_a_whole_is_refused(client, film, path, headers, status, advice):
    response = store(client, film(), path=path, **headers)
    assert response.status_code == status
    assert advice in response.json()["error"]
    assert "DOE" not in response.text


def test_a_service_that_is_full_says_when_to_come_back_and_fails_no_film(client, film, monkeypatch):
    answer = desk.Desk.answer

    async def full(self, *arguments, **named):
        monkeypatch.setattr(self._places, "limit", 0)
        return await answer(self, *arguments, **named)

    monkeypatch.setattr(desk.Desk, "answer", full)
    response = store(client, film(1), film(2))
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        (f"{BASE}/1.2.999", "*/*", 404),
        ("/dicomweb/astrology/studies/1.2.77", "*/*", 404),
        (f"{BASE}/1.2.999", "application/json", 406),
        (f"{BASE}/DOE", "*/*", 422),
    ],
)
def test_what_is_not_kept_cannot_be_fetched(client, path, accept, status):
    response = client.get(path, headers={"Accept": accept})
    assert response.status_code == status
    assert "error" in response.json()
    assert "DOE" not in response.text


def test_the_description_lists_the_routes_with_their_refusals(client):
    paths = client.get("/v1/openapi.json").json()["paths"]
    stored = paths["/dicomweb/{workload}/studies"]["post"]
    assert set(stored["requestBody"]["content"]) == {"multipart/related"}
    assert set(stored["responses"]) >= {"200", "202", "400", "404", "406", "409", "413", "415"}
    refused = stored["responses"]["422"]["content"]["application/json"]["schema"]
    assert refused == {"$ref": "#/components/schemas/Refusal"}
    assert set(paths["/dicomweb/{workload}/studies/{study}"]) == {"get", "post"}
    answered = paths["/v1/chest_xray"]["post"]["responses"]
    assert {"application/json", "application/dicom"} < set(answered["200"]["content"])
    assert "406" in answered


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="MEDPIPE_REAL_DATA has no dicom_transfer_syntaxes")
def test_real_files_in_fifteen_syntaxes_are_answered_and_the_others_told_why(client):
    names = sorted({*os.listdir(REAL)} - {"LICENSE", "SOURCE.txt"})
    response = store(client, *(as_radiograph(REAL / name, at) for at, name in enumerate(names)))
    assert {names[int(uid.rpartition(".")[2])]: why for uid, why in reasons(response).items()} == {
        "CT0012.fragmented_no_bot_jpeg_baseline.51.dcm": NO_MATCH,  # two frames
        "US-YBR_FULL_422-EVRLE.dcm": NO_CLASS,
        "no-pixel-data.dcm": NO_CLASS,  # a report
        "no-pixel-spacing.dcm": NO_CLASS,  # ultrasound
    }
    answered = outcome(response).ReferencedSOPSequence
    assert (response.status_code, len(answered)) == (202, 18)


def as_radiograph(path: Path, number: int) -> bytes:
    """A real CT that says it is a radiograph, since no other is at hand in all syntaxes."""
    dataset = pydicom.dcmread(path)
    dataset.SOPInstanceUID = f"1.2.9.{number}"
    if dataset.Modality == "CT":
        dataset.Modality = "DX"
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()
