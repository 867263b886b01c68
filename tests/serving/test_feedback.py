"""What became of an answer is told to the service that gave it."""

import pytest
from brightness_release import TRUSTED, png
from fastapi.testclient import TestClient

from medpipe import workloads
from medpipe.columns import COMMON, Column
from medpipe.serving import access, api, recorder
from medpipe.serving.access import keyfile
from medpipe.serving.catalogue import Catalogue

UNKNOWN = "0b0cf2b6-7c0e-4f43-9f3b-6a3b4e6a3f10"


@pytest.fixture
def app(releases, tmp_path, pytestconfig, monkeypatch):
    catalogue = Catalogue(releases, trusted=lambda _: TRUSTED)
    made = api.create(
        lambda: catalogue,
        recorder=lambda: recorder.at(releases),
        page=pytestconfig.rootpath / "service/page.html",
        porter=access.at(tmp_path),
    )
    # The workload of these tests has no label's column, because nothing else here needs one.
    bright = Column("bright", "int", "bright", low=0, high=1, nullable=False)
    monkeypatch.setattr(type(workloads.get("brightness")), "columns", (*COMMON, bright))
    return made


@pytest.fixture
def client(app):
    with TestClient(app) as client:
        yield client


def asked(client, **headers):
    response = client.post("/v1/brightness", files={"file": png(204)}, headers=headers)
    return f"/v1/answers/{response.json()['answer_id']}/outcome"


def test_an_outcome_is_told_corrected_and_looked_up(client):
    path = asked(client)
    assert client.get(path).json()["history"] == []
    for value in (0, 1):
        response = client.post(path, json={"bright": value})
        assert (response.status_code, response.json()["outcome"]) == (200, {"bright": value})
    found = client.get(path).json()
    assert [said["value"] for said in found["history"]] == [0, 1]
    assert found["history"][0]["told_by"] == "this machine"
    assert client.post(path, json={"bright": None}).json()["outcome"] == {}


@pytest.mark.parametrize(
    ("sent", "status", "why"),
    [
        ({"json": {"bright": 2}}, 422, "bright is 2; allowed: 0 or 1"),
        ({"json": {"Doe": 1}}, 422, "a label that brightness does not have; it has bright"),
        ({"json": {}}, 422, "label → value"),
        ({"json": [1]}, 422, "label → value"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "not JSON"),
        ({"data": {"bright": 1}}, 415, "application/json"),
    ],
)
def test_what_cannot_be_so_is_refused_with_the_reason_and_not_repeated(client, sent, status, why):
    path = asked(client)
    response = client.post(path, **sent)
    assert (response.status_code, why in response.json()["error"]) == (status, True)
    assert "Doe" not in response.text
    assert client.get(path).json()["history"] == []


def test_an_answer_that_nobody_gave_and_a_name_that_no_answer_has_are_told_apart(client):
    asked(client)
    sent = {"json": {"bright": 1}}
    assert client.post(f"/v1/answers/{UNKNOWN}/outcome", **sent).status_code == 404
    response = client.post("/v1/answers/DOE^JANE/outcome", **sent)
    assert response.status_code == 422
    assert "DOE" not in response.text


def test_telling_needs_a_scope_of_its_own(app, monkeypatch, tmp_path):
    keys = tmp_path / "access.json"
    monkeypatch.setenv("MEDPIPE_ACCESS_KEYS", str(keys))
    bearer = {}
    for scope in ("feedback", "answer:*"):
        _, secret = keyfile.add(keys, scope[:6], scopes=[scope], lifetime=None)
        bearer[scope] = {"Authorization": f"Bearer {secret}"}
    with TestClient(app) as client:
        path = asked(client, **bearer["answer:*"])
        told = {s: client.post(path, json={"bright": 1}, headers=h) for s, h in bearer.items()}
    assert told["answer:*"].status_code == 403
    assert "lacks the scope feedback" in told["answer:*"].json()["error"]
    assert told["feedback"].json()["history"][0]["told_by"] == "key:feedba"
