"""The routes, every refusal, and what may not be written down."""

import base64
import hashlib
import logging
import re

import pytest
from brightness_release import TRUSTED, png, write_release
from fastapi.testclient import TestClient

from medpipe.serving import api, desk, recorder
from medpipe.serving.catalogue import Catalogue

PAGE = "service/page.html"


@pytest.fixture
def service(releases, pytestconfig):
    """A client of the service of these releases, before it starts."""
    made = api.create(
        lambda: Catalogue(releases, trusted=lambda _: TRUSTED),
        recorder=lambda: recorder.at(releases),
        page=pytestconfig.rootpath / PAGE,
    )
    return TestClient(made)


@pytest.fixture
def client(service):
    with service as client:
        yield client


def post(client, content=None, *, kind="image/png", query="", workload="brightness"):
    return client.post(
        f"/v1/{workload}{query}",
        content=png(204) if content is None else content,
        headers={"Content-Type": kind},
    )


def test_a_form_and_a_raw_body_get_the_same_answer(client):
    raw = post(client).json()
    form = client.post("/v1/brightness", files={"file": ("Doe^Jane.png", png(204))}).json()
    for answer in (raw, form):
        del answer["answer_id"], answer["duration_ms"]
    assert raw == form
    assert raw["decision"] is True


def test_every_answer_has_its_own_name(client):
    assert post(client).json()["answer_id"] != post(client).json()["answer_id"]


def test_an_explanation_comes_on_request_only(client):
    assert post(client).json()["explanation"] is None
    assert post(client, query="?explain=true").json()["explanation"]["picture"].startswith("iVBOR")


@pytest.mark.parametrize(
    ("content", "kind", "status", "advice"),
    [
        (b"{}", "application/json", 415, "multipart/form-data"),
        (b"GIF89a", "image/png", 415, "DICOM"),
        (b"", "image/png", 400, "empty"),
        (png(1)[:40], "image/png", 400, "export it again"),
        (b"MR", "application/octet-stream", 422, "send CR or DX"),
        (png(1, height=60, width=60), "image/png", 413, "2500"),
        (bytes((1 << 20) + 1), "image/png", 413, "1 MiB"),
    ],
)
def test_a_bad_upload_is_refused_and_told_what_to_send(client, content, kind, status, advice):
    response = post(client, content, kind=kind)
    assert response.status_code == status
    assert advice in response.json()["error"]


def test_a_chunked_upload_over_the_limit_is_stopped(client):
    response = post(client, iter([bytes(1 << 20), b"x"]))
    assert response.status_code == 413
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/astrology", 404),
        ("GET", "/v1/astrology", 404),
        ("GET", "/v2/", 404),
        ("DELETE", "/v1/brightness", 405),
        ("POST", "/v1/brightness?explain=DOE", 422),
        ("GET", "/docs.json", 404),
        ("GET", "/static_content/index.js", 404),
        ("GET", "/redoc", 404),
        ("GET", "/v1/brightness/example", 404),
        ("GET", "/v1/astrology/example", 404),
    ],
)
def test_what_is_not_there_is_refused_without_repeating_it(client, method, path, status):
    response = client.request(method, path)
    assert response.status_code == status
    assert "error" in response.json()
    assert "DOE" not in response.text


def test_a_forged_model_is_answered_with_503_and_the_reason(client, releases):
    (releases / "brightness").rename(releases / "other")
    client.app.state.desk.catalogue.refresh()
    response = post(client, workload="other")
    assert response.status_code == 503
    assert "brightness" in response.json()["error"]
    assert int(response.headers["retry-after"]) > 0


def test_an_overloaded_service_says_when_to_come_back(releases, monkeypatch, pytestconfig):
    monkeypatch.setattr(desk, "PLACES", 0)
    made = api.create(
        lambda: Catalogue(releases, trusted=lambda _: TRUSTED),
        recorder=lambda: recorder.at(releases),
        page=pytestconfig.rootpath / PAGE,
    )
    with TestClient(made) as client:
        response = post(client)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"


def test_the_list_says_what_each_model_is_for_and_not_for(client):
    (offer,) = client.get("/v1/").json()
    assert (offer["name"], offer["intended_use"]) == ("brightness", "testing the service")
    assert (offer["not_for"], offer["problem"]) == ("anything else", None)
    assert offer["served"]


@pytest.mark.parametrize(
    ("name", "title"),
    [("readmission", "Readmission within 30 days of discharge"), ("astrology", "astrology")],
)
def test_what_is_not_answered_is_listed_with_the_reason(releases, service, name, title):
    write_release(releases / name)  # of another question than its folder says
    with service as client:
        listed = {offer["name"]: offer for offer in client.get("/v1/").json()}
        told = client.get(f"/v1/{name}")
    assert listed["brightness"]["served"]
    assert not listed[name]["served"]
    assert listed[name]["title"] == title
    assert "is of workload 'brightness'" in listed[name]["problem"]
    assert (told.status_code, told.json()["error"]) == (503, listed[name]["problem"])


def test_the_papers_are_the_card_and_the_certificate_that_answers_name(client):
    papers = client.get("/v1/brightness").json()
    assert papers["card"] == {"title": "Brightness"}
    assert papers["certificate"]["kind"].startswith("medpipe release certificate")
    assert papers["certificate_sha256"] == post(client).json()["certificate_sha256"]


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_loads_nothing_from_another_host_and_runs_its_own_scripts_only(client, path):
    page = client.get(path)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    text = page.text.replace("http://www.w3.org/2000/svg", "")  # a name, which nobody fetches
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<link|<script |googletag", text)
    for script in re.findall("<script>(.*?)</script>", page.text, flags=re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_the_description_tells_a_client_how_to_send_a_file(client):
    described = client.get("/v1/openapi.json").json()["paths"]["/v1/brightness"]["post"]
    assert set(described["requestBody"]["content"]) >= {"multipart/form-data", "application/dicom"}
    assert {"200", "400", "404", "413", "415", "422", "503"} <= set(described["responses"])


def test_the_log_holds_one_line_per_answer_and_no_name(client, caplog):
    with caplog.at_level(logging.DEBUG, "medpipe"):
        answered = client.post(
            "/v1/brightness?explain=false&name=Doe", files={"file": ("Doe^Jane.png", png(204))}
        )
        refused = post(client, b"Doe", workload="DOE")
    first, second = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(
        rf"answer {answered.json()['answer_id']}: brightness 3, answered, \d+\.\d ms", first
    )
    assert refused.json()["answer_id"] in second
    assert "doe" not in caplog.text.lower()
