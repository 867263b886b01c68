"""What can be known of an image without starting it, and how it is asked whether it is well."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from medpipe.image import labels


def release(workload, version):
    """As much of a release as labels read."""
    digests = {"model.onnx": version * 64, "state.json": "0" * 64}
    signed = {
        "version": version,
        "commit": "c0ffee",
        "digests": digests,
        "expires": None,
        "approver": "Dr Night",
    }
    return SimpleNamespace(
        workload=SimpleNamespace(name=workload), certificate=signed, certificate_sha256="a" * 64
    )


def test_every_model_is_named_by_version_and_digest():
    found = labels.of("medpipe_a_b:v1-v2-abc", [release("a", "1"), release("b", "2")])
    assert found["org.opencontainers.image.version"] == "v1-v2-abc"
    assert found["org.opencontainers.image.revision"] == "c0ffee"
    assert found["medpipe.a.model.sha256"] == "1" * 64
    assert found["medpipe.b.model.sha256"] == "2" * 64
    assert found["medpipe.b.expires"] == "never"


@pytest.mark.parametrize(("on_card", "said"), [(True, "graphics card"), (False, "processor")])
def test_it_is_labelled_with_what_it_was_checked_on(on_card, said):
    found = labels.of("medpipe_a_gpu:v1-abc", [release("a", "1")], on_card=on_card)
    assert found["medpipe.checked_on"] == said


def test_no_label_names_the_person_who_approved():
    assert "Night" not in json.dumps(labels.of("medpipe_a:v1", [release("a", "1")]))


def test_the_containerfile_asks_for_health_and_keeps_every_label():
    written = labels.containerfile("some:tag", {"a b": 'x "y"'}).splitlines()
    assert written[0] == "FROM some:tag"
    assert written[-1] == r'LABEL "a b"="x \"y\""'
    (health,) = [line for line in written if line.startswith("HEALTHCHECK ")]
    assert json.loads(health.partition(" CMD ")[2]) == [labels.PYTHON, "-c", labels.HEALTHY]


@pytest.mark.parametrize(("status", "is_healthy"), [(200, True), (503, False)])
def test_an_image_is_healthy_when_its_service_is_ready(status, is_healthy):
    class Readiness(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Readiness) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        environment = {"BENTOML_PORT": str(server.server_port)}
        done = subprocess.run(
            [sys.executable, "-S", "-c", labels.HEALTHY], env=environment, capture_output=True
        )
    assert (done.returncode == 0) is is_healthy
