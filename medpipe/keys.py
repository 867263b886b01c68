"""The gate's signing key, and which public keys are trusted.

The private key comes from the environment (MEDPIPE_GATE_KEY: 32 bytes of hexadecimal, or PEM),
else from ``.medpipe/keys/gate.key``, made on first use for its owner's eyes only. Trusted are the
keys in MEDPIPE_TRUSTED_KEYS; without it the project's own; without that the key packaged with the
release, which proves that the files are whole but not who allowed them.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from medpipe import config, files
from medpipe.errors import CertificateError
from medpipe.paths import Home

PUBLIC = "gate.pub"
"""Name of the public key's file: hexadecimal, as MEDPIPE_TRUSTED_KEYS takes it."""
_PRIVATE = "gate.key"
_PEM = re.compile(r"-----BEGIN [^-]+-----.+?-----END [^-]+-----", re.DOTALL)
_log = logging.getLogger(__name__)


def signing_key(home: Home) -> Ed25519PrivateKey:
    """The key that the gate signs with; made, with its public half beside it, on first use.

    Raises
    ------
    CertificateError : MEDPIPE_GATE_KEY or the key file holds no Ed25519 key
    StorageError : the key's folder cannot be written
    """
    given = config.environment("MEDPIPE_GATE_KEY")
    if given is not None:
        return _private(given, "MEDPIPE_GATE_KEY")
    path = home.keys / _PRIVATE
    with files.locked(home.keys / ".lock"):
        if not path.exists():
            _make(path)
        key = _private(path.read_text(encoding="utf-8"), str(path))
        if not (home.keys / PUBLIC).exists():
            _write_public(key, home.keys)
    if path.stat().st_mode & 0o077:
        _log.warning("%s can be read by others; run `chmod 600` on it", path)
    return key


def public_text(key: Ed25519PrivateKey) -> str:
    """The public half of `key` as it stands in ``gate.pub``."""
    return key.public_key().public_bytes_raw().hex() + "\n"


def trusted(home: Home | None, *, packaged: Path | None = None) -> list[bytes]:
    """The public keys whose signature counts, 32 bytes each.

    Parameters
    ----------
    home : of the project; None in a service without one
    packaged : folder of a release that may carry ``gate.pub``, the last resort

    Raises
    ------
    CertificateError : no key is to be had, or one cannot be read
    """
    given = config.environment("MEDPIPE_TRUSTED_KEYS")
    if given is not None:
        return _publics(given, "MEDPIPE_TRUSTED_KEYS")
    own = _own(home) if home is not None else []
    if own:
        return own
    if packaged is not None and (packaged / PUBLIC).is_file():
        _log.info("trusting the key packaged with the release; MEDPIPE_TRUSTED_KEYS would pin it")
        return _publics((packaged / PUBLIC).read_text(encoding="utf-8"), str(packaged / PUBLIC))
    raise CertificateError(
        "no trusted key: set MEDPIPE_TRUSTED_KEYS to the content of the gate's gate.pub, "
        "or run `medpipe promote` in this project first"
    )


def _own(home: Home) -> list[bytes]:
    """What this project signs with: the key of the environment and the one in its folder."""
    given = config.environment("MEDPIPE_GATE_KEY")
    found = [] if given is None else [_private(given, "MEDPIPE_GATE_KEY")]
    keys = [key.public_key().public_bytes_raw() for key in found]
    path = home.keys / PUBLIC
    return keys + (_publics(path.read_text(encoding="utf-8"), str(path)) if path.is_file() else [])


def _make(path: Path) -> None:
    content = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with files.new_file(path) as partial:
        # Opened for the owner alone from the start: a chmod afterwards would come too late.
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
    (path.parent / PUBLIC).unlink(missing_ok=True)  # of an earlier key
    _log.info("made the gate's signing key %s; keep a copy where only you can read it", path)


def _write_public(key: Ed25519PrivateKey, folder: Path) -> None:
    with files.new_file(folder / PUBLIC) as partial:
        partial.write_text(public_text(key), encoding="utf-8")


def _private(text: str, where: str) -> Ed25519PrivateKey:
    try:
        if "-----BEGIN" in text:
            key = serialization.load_pem_private_key(text.strip().encode(), password=None)
        else:
            key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text.strip()))
    except (ValueError, TypeError):
        key = None  # the library's message could quote the key
    if not isinstance(key, Ed25519PrivateKey):
        raise CertificateError(
            f"{where} holds no Ed25519 private key; give 64 hexadecimal digits or a plain PEM"
        )
    return key


def _publics(text: str, where: str) -> list[bytes]:
    blocks = _PEM.findall(text) or [part for part in re.split(r"[,\s]+", text) if part]
    keys = []
    for number, block in enumerate(blocks, start=1):
        try:
            keys.append(_public(block))
        except (ValueError, TypeError):
            raise CertificateError(
                f"{where}: key {number} is no Ed25519 public key; give 64 hexadecimal digits or PEM"
            ) from None
    return keys


def _public(block: str) -> bytes:
    if "-----BEGIN" not in block:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(block)).public_bytes_raw()
    key = serialization.load_pem_public_key(block.encode())
    if not isinstance(key, Ed25519PublicKey):
        raise TypeError(type(key).__name__)
    return key.public_bytes_raw()
