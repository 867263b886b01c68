"""Certificates: what they cover cannot be changed unnoticed."""

import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medpipe import certificate, files
from medpipe.errors import CertificateError

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
TRUSTED = [KEY.public_key().public_bytes_raw()]


def facts(folder):
    """Facts of the release in `folder`, each of another kind."""
    return {
        "workload": "chest_xray",
        "version": "3",
        "run_id": "r",
        "commit": "c",
        "raw_version": "v",
        "receipt": "d",
        "report": "e",
        "metrics": {"auroc": {"value": 0.95, "low": 0.9, "high": None}},
        "checks": [{"name": "auroc", "passed": True, "why": "at least"}],
        "policy": "p",
        "params": {"train": {"epochs": 20}},
        "data": {"source": "table", "labelled": 100},
        "plan": {"digest": "p", "reason": "drift", "within": True, "broken": ["none"]},
        "approval": {"approver": "Dr. Ä", "reason": "better"},
        "approver": "Dr. Ä",
        "issued": "2026-01-01T00:00:00+00:00",
        "expires": "2027-01-01T00:00:00+00:00",
        "code": {"medpipe/reader.py": "e"},
        "digests": {name: files.sha256(folder / name) for name in certificate.COVERED},
    }


@pytest.fixture
def release(tmp_path):
    for name in certificate.COVERED:
        (tmp_path / name).write_bytes(b"content of " + name.encode())
    certificate.write(certificate.issue(facts(tmp_path), KEY), tmp_path)
    return tmp_path


def leaves(value, path=()):
    """Every path to a value that is neither mapping nor list."""
    if isinstance(value, dict | list):
        steps = value.items() if isinstance(value, dict) else enumerate(value)
        for step, inner in steps:
            yield from leaves(inner, (*path, step))
    else:
        yield path


def with_change(signed, path):
    """`signed` with another value at `path`."""
    made = json.loads(json.dumps(signed))
    place = made
    for step in path[:-1]:
        place = place[step]
    old = place[path[-1]]
    place[path[-1]] = (not old) if isinstance(old, bool) else f"{old}x"
    return made


def test_a_whole_release_is_verified(release):
    certificate.verify(certificate.read(release), release, TRUSTED)


@pytest.mark.parametrize("name", certificate.COVERED)
@given(data=st.data())
@settings(
    max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_any_flipped_bit_of_a_covered_file_is_noticed_and_the_file_is_named(release, name, data):
    path = release / name
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    original = path.read_bytes()
    path.write_bytes(content)
    try:
        with pytest.raises(CertificateError, match=name):
            certificate.verify(certificate.read(release), release, TRUSTED)
    finally:
        path.write_bytes(original)


def test_any_changed_field_is_noticed(release):
    signed = certificate.read(release)
    paths = list(leaves(signed))
    assert len(paths) == 34  # 11 single facts, 15 nested, code, 4 digests, kind, key, signature
    for path in paths:
        with pytest.raises(CertificateError):
            certificate.verify(with_change(signed, path), release, TRUSTED)


def test_a_missing_or_added_field_is_noticed(release):
    signed = certificate.read(release)
    for name in signed:
        lacking = {key: value for key, value in signed.items() if key != name}
        with pytest.raises(CertificateError):
            certificate.verify(lacking, release, TRUSTED)
    with pytest.raises(CertificateError):
        certificate.verify({**signed, "note": "x"}, release, TRUSTED)


@pytest.mark.parametrize("name", certificate.COVERED)
def test_a_missing_file_is_named(release, name):
    (release / name).unlink()
    with pytest.raises(CertificateError, match=f"{name} is not there"):
        certificate.verify(certificate.read(release), release, TRUSTED)


def test_another_key_is_refused_even_with_a_valid_signature(release):
    forged = certificate.issue(facts(release), OTHER)
    with pytest.raises(CertificateError, match="MEDPIPE_TRUSTED_KEYS"):
        certificate.verify(forged, release, TRUSTED)


def test_a_trusted_name_on_another_keys_signature_is_refused(release):
    forged = certificate.issue(facts(release), OTHER)
    forged["public_key"] = TRUSTED[0].hex()
    with pytest.raises(CertificateError, match="signature"):
        certificate.verify(forged, release, TRUSTED)


def test_nothing_is_trusted_by_default(release):
    with pytest.raises(CertificateError):
        certificate.verify(certificate.read(release), release, [])


def test_a_certificate_of_a_promotion_record_is_none(release):
    record = certificate.sign({**facts(release), "kind": "something else"}, KEY)
    with pytest.raises(CertificateError, match="kind"):
        certificate.verify(record, release, TRUSTED)


def test_an_incomplete_certificate_is_not_issued(release):
    incomplete = facts(release)
    del incomplete["receipt"]
    with pytest.raises(CertificateError, match="receipt"):
        certificate.issue(incomplete, KEY)
    uncovered = {**facts(release), "digests": {"model.onnx": "0"}}
    with pytest.raises(CertificateError, match=r"card\.json"):
        certificate.issue(uncovered, KEY)


def test_the_digest_is_that_of_the_file(release):
    assert certificate.digest(certificate.read(release)) == files.sha256(release / certificate.FILE)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_broken_certificate_says_so(release, content):
    (release / certificate.FILE).write_bytes(content)
    with pytest.raises(CertificateError, match="medpipe promote"):
        certificate.read(release)


def test_a_release_without_a_certificate_says_what_makes_one(tmp_path):
    with pytest.raises(CertificateError, match="medpipe promote"):
        certificate.read(tmp_path)


def test_a_certificate_holds_until_the_second_in_which_it_expires(release):
    signed = certificate.read(release)
    certificate.verify_time(signed, datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC))
    with pytest.raises(CertificateError, match="version 3 expired on 2027-01-01"):
        certificate.verify_time(signed, datetime(2027, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("expires", ["soon", 5, "2027-01-01T00:00:00"])
def test_an_expiry_that_is_no_time_with_its_zone_is_refused(release, expires):
    signed = {**certificate.read(release), "expires": expires}
    with pytest.raises(CertificateError, match="not a time with its zone"):
        certificate.verify_time(signed, datetime(2026, 6, 1, tzinfo=UTC))


def test_a_certificate_without_expiry_never_expires(release):
    signed = {**certificate.read(release), "expires": None}
    certificate.verify_time(signed, datetime(2999, 1, 1, tzinfo=UTC))


def test_changed_code_is_named(tmp_path):
    path = tmp_path / "medpipe" / "reader.py"
    path.parent.mkdir()
    path.write_text("read = 1\n")
    signed = {"workload": "w", "version": "3", "code": {"medpipe/reader.py": files.sha256(path)}}
    certificate.verify_code(signed, tmp_path)
    path.write_text("read = 2\n")
    with pytest.raises(CertificateError, match=r"medpipe/reader\.py .*medpipe run w"):
        certificate.verify_code(signed, tmp_path)
    path.unlink()
    with pytest.raises(CertificateError, match=r"medpipe/reader\.py"):
        certificate.verify_code(signed, tmp_path)
