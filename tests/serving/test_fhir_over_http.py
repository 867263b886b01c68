"""A real process on a port of this machine, asked by SMART's client and a small record system."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
from brightness_release import TRUSTED
from bundles import bundle, stay
from fhirclient.models.bundle import Bundle
from fhirclient.models.riskassessment import RiskAssessment
from fhirclient.server import FHIRServer

from medpipe import workloads
from medpipe.serving.access import keyfile

ICU = dict(workloads.get("icu_mortality").example)
EHR = "https://ehr.example.org"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """The file of keys, and the one in it: a page of another host needs one, wherever it runs."""
    path = tmp_path_factory.mktemp("keys") / "access.json"
    return path, keyfile.add(path, "ehr", scopes=["*"], lifetime=None)[1]


@pytest.fixture(scope="module")
def client(address, keys):
    with httpx.Client(base_url=address, headers=_shown(keys)) as client:
        yield client


def _shown(keys):
    return {"Authorization": f"Bearer {keys[1]}"}


@pytest.fixture(scope="module")
def address(record_releases, keys, tmp_path_factory, pytestconfig):
    """Where the service listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    given = {
        "MEDPIPE_RELEASES": str(record_releases),
        "MEDPIPE_TRUSTED_KEYS": TRUSTED[0].hex(),
        "MEDPIPE_CORS_ORIGINS": EHR,
        "MEDPIPE_ACCESS_KEYS": str(keys[0]),
        "BENTOML_HOME": str(tmp_path_factory.mktemp("bentoml")),
        "MEDPIPE_AUDIT": f"sqlite:///{tmp_path_factory.mktemp('audit') / 'audit.db'}",
    }
    command = [sys.executable, "-m", "uvicorn", "service.service:app", "--port", port]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--log-level", "warning"],
        cwd=pytestconfig.rootpath,
        env={**os.environ, **given},
    )
    try:
        _wait(f"http://127.0.0.1:{port}/v1/", server, _shown(keys))
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def _wait(url, server, headers):
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            if len(httpx.get(url, headers=headers).json()) == 2:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError(f"{url} was not ready; the server ended with {server.poll()}")


class RecordSystem:
    """What a record system does at a hook: discover, prefetch from its own FHIR data, call."""

    def __init__(self, client, resources):
        self.client = client
        self.resources = resources

    def open_chart(self, service_id, **context):
        offered = self.client.get("/cds-services").json()["services"]
        service = next(s for s in offered if s["id"] == service_id)
        request = {
            "hook": service["hook"],
            "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
            "context": context,
            "prefetch": {k: self.query(q, context) for k, q in service["prefetch"].items()},
        }
        sent = {"Origin": EHR}
        return self.client.post(f"/cds-services/{service_id}", json=request, headers=sent)

    def query(self, template, context):
        """A read, or a search by code: what this chart's own server would answer."""
        url = re.sub(r"\{\{context\.(\w+)\}\}", lambda token: context[token[1]], template)
        if "?" not in url:
            return next(r for r in self.resources if url == f"{r['resourceType']}/{r['id']}")
        kind, _, search = url.partition("?")
        codes = re.search(r"code=([\w,-]+)", search)
        found = [
            r
            for r in self.resources
            if (r["resourceType"] == kind or (r["resourceType"] == "Location" and "_id" in search))
            and (codes is None or r["code"]["coding"][0]["code"] in codes[1].split(","))
        ]
        return bundle(*found, kind="searchset") if found else None


def test_a_record_system_that_opens_a_chart_is_shown_a_card(client):
    system = RecordSystem(client, stay(ICU))
    response = system.open_chart(
        "icu_mortality", userId="Practitioner/1", patientId="doe", encounterId="stay"
    )
    (card,) = response.json()["cards"]
    risk = client.post("/v1/icu_mortality", json=ICU).json()["risk"]
    assert f"risk {risk:.0%}" in card["summary"]
    assert response.headers["access-control-allow-origin"] == EHR


def test_smart_s_own_client_asks_and_reads_the_answer(address, client):
    server = FHIRServer(None, base_uri=f"{address}/fhir/icu_mortality")
    server.session.headers["Authorization"] = client.headers["Authorization"]
    assert server.capabilityStatement.rest[0].operation[0].name == "assess"
    answered = server.post_json("$assess", Bundle(bundle(*stay(ICU))).as_json())
    found = RiskAssessment(answered.json())
    risk = client.post("/v1/icu_mortality", json=ICU).json()["risk"]
    assert found.prediction[0].probabilityDecimal == pytest.approx(100 * risk, rel=1e-15)
    assert found.subject.reference == "Patient/doe"
