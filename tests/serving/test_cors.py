"""No page of another host may ask, but those that the environment names."""

import pytest
from brightness_release import TRUSTED, png
from fastapi.testclient import TestClient

from medpipe.errors import ParamsError
from medpipe.serving import api, cors, recorder
from medpipe.serving.catalogue import Catalogue

EHR = "https://ehr.example.org"


@pytest.fixture
def client(releases, pytestconfig):
    made = api.create(
        lambda: Catalogue(releases, trusted=lambda _: TRUSTED),
        recorder=lambda: recorder.at(releases),
        page=pytestconfig.rootpath / "service/page.html",
    )
    with TestClient(made, base_url="http://127.0.0.1:3000", client=("127.0.0.1", 50000)) as client:
        yield client


@pytest.fixture
def allowed(monkeypatch):
    monkeypatch.setenv("MEDPIPE_CORS_ORIGINS", f"{EHR}, http://localhost:8080/")


def preflight(client, origin):
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization, content-type"
    return client.options("/cds-services/x", headers=asked)


def test_by_default_no_origin_is_let_in(client):
    assert "access-control-allow-origin" not in preflight(client, EHR).headers
    answered = client.post("/v1/brightness", files={"file": png(9)}, headers={"Origin": EHR})
    assert answered.status_code == 403  # without keys, no page of another host is let in either
    assert "access-control-allow-origin" not in answered.headers


def test_an_origin_that_is_named_is_let_in_and_no_other(allowed, client):
    let_in = preflight(client, EHR)
    assert let_in.headers["access-control-allow-origin"] == EHR
    assert "authorization" in let_in.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in let_in.headers
    assert "access-control-allow-origin" not in preflight(client, "https://evil.example").headers


@pytest.mark.parametrize("wrong", ["*", "http://ehr.example.org", "https://e.org/path", "ehr"])
def test_what_is_no_origin_or_is_any_stops_the_start(monkeypatch, wrong):
    monkeypatch.setenv("MEDPIPE_CORS_ORIGINS", wrong)
    with pytest.raises(ParamsError, match="MEDPIPE_CORS_ORIGINS"):
        cors.origins()
