"""Only what the gate has signed for is ever loaded."""

import json

import onnx
import pytest
from brightness_release import TRUSTED, write_release
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from medpipe import certificate
from medpipe.errors import CertificateError
from medpipe.serving import release
from medpipe.serving.session import Bound


def test_a_signed_release_loads_with_everything_that_answers_need(releases):
    loaded = release.load(releases / "brightness", TRUSTED)
    assert loaded.workload.name == "brightness"
    point = {"temperature": 2.0, "threshold": 0.6, "coverage": 0.9, "least": [0.3, 0.4]}
    assert loaded.point.as_json() == {**point, "intercept": 0.0}  # an earlier medpipe wrote none
    assert loaded.settings.familiar == Bound(4.0, 0.99)
    assert loaded.certificate_sha256 == certificate.digest(loaded.certificate)


@pytest.mark.parametrize("name", certificate.COVERED)
def test_a_file_changed_after_signing_is_refused_by_name(releases, name):
    path = releases / "brightness" / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(CertificateError, match=name):
        release.load(path.parent, TRUSTED)


def test_a_certificate_of_another_key_is_refused(tmp_path):
    folder = write_release(tmp_path / "brightness", key=Ed25519PrivateKey.generate())
    with pytest.raises(CertificateError, match="not trusted"):
        release.load(folder, TRUSTED)


def test_a_certificate_with_a_changed_field_is_refused(releases):
    path = releases / "brightness" / certificate.FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "approver": "nobody"}))
    with pytest.raises(CertificateError, match="signature"):
        release.load(path.parent, TRUSTED)


def test_a_folder_without_a_certificate_is_refused(tmp_path):
    with pytest.raises(CertificateError, match="medpipe promote"):
        release.load(tmp_path, TRUSTED)


def test_a_signed_release_under_another_workload_s_name_is_refused(tmp_path):
    folder = write_release(tmp_path / "chest_xray")
    with pytest.raises(CertificateError, match="is of workload 'brightness'"):
        release.load(folder, TRUSTED)


def test_a_signed_release_of_an_unknown_workload_is_refused(tmp_path):
    folder = write_release(tmp_path / "astrology", workload="astrology")
    with pytest.raises(CertificateError, match="astrology"):
        release.load(folder, TRUSTED)


def test_a_signed_file_that_is_no_model_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx, "save", lambda _, path: path.write_bytes(b"no model"))
    folder = write_release(tmp_path / "brightness")
    with pytest.raises(CertificateError, match="not a whole ONNX model"):
        release.load(folder, TRUSTED)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"temperature": 0}, "temperature"),
        ({"threshold": 1.5}, "threshold"),
        ({"serve": 1}, "serve"),
        ({"least": [0.5, 1.5]}, "least"),
        ({"familiar": {"distance": 0, "share": 0.99}}, r"familiar\.distance"),
        ({"familiar": {"distance": 3.0, "share": 1.0}}, r"familiar\.share"),
    ],
)
def test_signed_settings_that_make_no_sense_are_refused_by_name(tmp_path, settings, named):
    folder = write_release(tmp_path / "brightness", **settings)
    with pytest.raises(CertificateError, match=named):
        release.load(folder, TRUSTED)


def test_settings_from_before_distances_say_to_promote_again(tmp_path):
    folder = write_release(tmp_path / "brightness", familiar=None)
    with pytest.raises(CertificateError, match=r"familiar.*`medpipe promote brightness` again"):
        release.load(folder, TRUSTED)


def test_a_model_from_before_distances_says_to_promote_again(tmp_path, monkeypatch):
    save = onnx.save

    def without_distance(model, path):
        del model.graph.output[1]
        save(model, path)

    monkeypatch.setattr(onnx, "save", without_distance)
    folder = write_release(tmp_path / "brightness")
    with pytest.raises(CertificateError, match=r"earlier medpipe.*`medpipe promote brightness`"):
        release.load(folder, TRUSTED)
