"""The gate's key: made once, for its owner only, and which keys are trusted."""

import threading

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from medpipe import keys
from medpipe.errors import CertificateError
from medpipe.paths import Home

SEED = bytes(range(32))


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("MEDPIPE_GATE_KEY", "MEDPIPE_TRUSTED_KEYS"):
        monkeypatch.delenv(name, raising=False)
    return Home(tmp_path)


def public(key):
    return key.public_key().public_bytes_raw()


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def test_a_key_is_made_once_and_only_its_owner_may_read_it(home):
    first, second = keys.signing_key(home), keys.signing_key(home)
    assert public(first) == public(second)
    assert (home.keys / "gate.key").stat().st_mode & 0o777 == 0o600
    assert keys.trusted(home) == [public(first)]


def test_parallel_first_use_makes_one_key(home):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(public(keys.signing_key(home))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_key_that_others_may_read_is_told(home, caplog):
    keys.signing_key(home)
    (home.keys / "gate.key").chmod(0o644)
    keys.signing_key(home)
    assert "chmod 600" in caplog.text


@pytest.mark.parametrize("spelled", ["hex", "pem"])
def test_the_environments_key_comes_first_and_leaves_no_file(home, monkeypatch, spelled):
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    monkeypatch.setenv("MEDPIPE_GATE_KEY", SEED.hex() if spelled == "hex" else pem(key))
    assert public(keys.signing_key(home)) == public(key)
    assert not home.keys.exists()
    assert keys.trusted(home) == [public(key)]


@pytest.mark.parametrize("text", ["abc", "00" * 31, "-----BEGIN PRIVATE KEY-----\nx"])
def test_a_broken_key_is_refused_without_being_quoted(home, monkeypatch, text):
    monkeypatch.setenv("MEDPIPE_GATE_KEY", text)
    with pytest.raises(CertificateError) as caught:
        keys.signing_key(home)
    assert "MEDPIPE_GATE_KEY" in str(caught.value)
    assert text not in str(caught.value)


def test_a_key_of_another_kind_is_refused(home, monkeypatch):
    monkeypatch.setenv("MEDPIPE_GATE_KEY", pem(generate_private_key(SECP256R1())))
    with pytest.raises(CertificateError, match="Ed25519"):
        keys.signing_key(home)


def test_trusted_keys_of_the_environment_replace_all_others(home, monkeypatch):
    keys.signing_key(home)
    one, two = (Ed25519PrivateKey.generate() for _ in range(2))
    text = f"{public(one).hex()}, {public(two).hex()}"
    monkeypatch.setenv("MEDPIPE_TRUSTED_KEYS", text)
    assert keys.trusted(home) == [public(one), public(two)]


def test_the_packaged_key_is_the_last_resort(home, tmp_path):
    packaged = tmp_path / "release"
    packaged.mkdir()
    key = Ed25519PrivateKey.generate()
    (packaged / keys.PUBLIC).write_text(keys.public_text(key))
    assert keys.trusted(None, packaged=packaged) == [public(key)]
    assert keys.trusted(home, packaged=packaged) == [public(key)]
    own = keys.signing_key(home)
    assert keys.trusted(home, packaged=packaged) == [public(own)]


def test_without_any_key_the_error_says_where_to_get_one(home):
    with pytest.raises(CertificateError, match=r"gate\.pub"):
        keys.trusted(home)


def test_a_broken_trusted_key_is_named_by_its_number(home, monkeypatch):
    monkeypatch.setenv("MEDPIPE_TRUSTED_KEYS", f"{'00' * 32} zz")
    with pytest.raises(CertificateError, match="key 2"):
        keys.trusted(home)
