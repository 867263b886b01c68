"""The service as BentoML runs it."""

import logging
import subprocess
import sys

import pytest
from brightness_release import TRUSTED, png, write_release
from starlette.testclient import TestClient

from service.service import MedpipeService

HEAVY = [
    "psycopg",
    "sqlalchemy",
    "torch",
    "mlflow",
    "pandas",
    "prefect",
    "dvc",
    "great_expectations",
    "lightning_fabric",
    "monai",
]


@pytest.fixture
def bento(releases, monkeypatch):
    monkeypatch.setenv("MEDPIPE_RELEASES", str(releases))
    monkeypatch.setenv("MEDPIPE_TRUSTED_KEYS", TRUSTED[0].hex())
    return MedpipeService.to_asgi


def test_with_a_valid_certificate_the_service_is_ready_and_answers(bento):
    with TestClient(bento()) as client:
        assert client.get("/readyz").status_code == 200
        answer = client.post("/v1/brightness", files={"file": png(204)})
    assert answer.json()["decision"] is True


def test_with_a_forged_certificate_it_lives_but_is_not_ready_and_says_why(bento, releases):
    (releases / "brightness" / "state.json").write_text("{}")
    with TestClient(bento()) as client:
        ready, live = client.get("/readyz"), client.get("/livez")
        answer = client.post("/v1/brightness", files={"file": png(204)})
    assert (ready.status_code, live.status_code, answer.status_code) == (503, 200, 503)
    assert "state.json" in ready.text
    assert "state.json" in answer.json()["error"]


def test_without_a_release_it_is_not_ready_and_says_what_to_run(bento, monkeypatch, tmp_path):
    monkeypatch.setenv("MEDPIPE_RELEASES", str(tmp_path / "none"))
    with TestClient(bento()) as client:
        ready = client.get("/readyz")
    assert ready.status_code == 503
    assert "medpipe promote" in ready.text


def test_bentoml_s_own_pages_are_replaced(bento):
    with TestClient(bento()) as client:
        front = client.get("/").text
        statuses = [client.get(path).status_code for path in ("/docs.json", "/static_content/x.js")]
    assert "Intended use" in front
    assert "googletag" not in front
    assert statuses == [404, 404]


def test_an_unexpected_error_leaves_no_value_of_the_upload_in_the_log(bento, caplog):
    dicom = bytes(128) + b"DICM"  # the workload has a bug there, whose message quotes a name
    with TestClient(bento()) as client, pytest.raises(ValueError, match="DOE") as error:
        client.post("/v1/brightness", files={"file": dicom})
    # What uvicorn does with it, where TestClient raises:
    logging.getLogger("uvicorn.error").error("Exception in ASGI application", exc_info=error.value)
    assert "unexpected ValueError at brightness.py:" in caplog.text
    assert "DOE" not in caplog.text


def test_importing_the_service_loads_nothing_of_the_training_side():
    program = f"import service.service, sys; print([m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert run.stdout.strip() == "[]", run.stderr


def test_a_release_loads_nothing_of_the_training_side_either(tmp_path):
    write_release(tmp_path / "releases" / "chest_xray", workload="chest_xray")
    program = (
        "import sys; from pathlib import Path; from medpipe.serving import catalogue\n"
        f"offered = catalogue.at(Path({str(tmp_path)!r})); offered.refresh()\n"
        f"print(offered.not_ready(), [m for m in {HEAVY} if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert run.stdout.strip().endswith("[]"), run.stderr
