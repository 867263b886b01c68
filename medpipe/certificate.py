"""Signed statements of what the gate allowed, and whether they still fit the files at hand.

A certificate is JSON: facts, digests of the files that it covers, the public key and an Ed25519
signature over everything else in it. The service checks it before it answers anything, so this
module needs `cryptography` and nothing of the training side.

References
----------
Ed25519: RFC 8032. Canonical form: JSON with sorted keys, no white space, no NaN, UTF-8.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from medpipe import files
from medpipe.errors import CertificateError

FILE = "certificate.json"
Trusted = Sequence[bytes]
"""Public keys whose signature counts, 32 bytes each."""
COVERED = ("model.onnx", "state.json", "settings.json", "card.json")
"""Files of a release whose digests its certificate holds."""
KIND = "medpipe release certificate 3"
_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)
FACTS = frozenset(
    {
        "workload",
        "version",
        "run_id",
        "commit",
        "raw_version",
        "receipt",
        "report",
        "metrics",
        "checks",
        "policy",
        "params",
        "data",
        "plan",
        "approval",
        "approver",
        "issued",
        "expires",
        "digests",
        "code",
    }
)
"""What every certificate states; digests of receipt, report and policy stand for their contents.

``expires`` is a time in ISO 8601, or null. ``code`` maps each file of ours that reads and encodes
an example, relative to where medpipe is installed, to its SHA-256. ``params`` and ``data`` (source,
labelled examples) are what the next change is held against, ``plan`` (digest, reason, within,
broken) what this one was held against; ``approval`` is who approved it, when and why, or null.
"""


def issue(facts: Mapping[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    """The signed certificate of a release.

    Parameters
    ----------
    facts : all of `FACTS`, JSON; ``digests`` maps each of `COVERED` to its hexadecimal SHA-256

    Raises
    ------
    CertificateError : a fact or a covered file's digest is missing, or there is one too many
    """
    _complete(facts)
    return sign({"kind": KIND, **facts}, key)


def verify(certificate: Mapping[str, Any], folder: Path, trusted: Trusted) -> None:
    """Nothing, when `certificate` is genuine and the covered files in `folder` are those it names.

    Parameters
    ----------
    trusted : see `medpipe.keys.trusted`

    Raises
    ------
    CertificateError : the message names the file or field that does not fit, and what to do
    """
    if certificate.get("kind") != KIND:
        raise CertificateError(
            f"{folder / FILE}: field kind is {certificate.get('kind')!r}, not {KIND!r}; "
            "restore it with `medpipe promote`"
        )
    verify_signature(certificate, trusted, what=str(folder / FILE))
    _complete({name: value for name, value in certificate.items() if name not in _ENVELOPE})
    for name, expected in certificate["digests"].items():
        _fits(folder / name, expected)


def verify_code(certificate: Mapping[str, Any], source: Path) -> None:
    """Nothing, when the code that reads and encodes examples is that which the gate judged.

    Parameters
    ----------
    source : the folder that ``medpipe/`` lies in

    Raises
    ------
    CertificateError : a file is missing or has changed; the message names it
    """
    for name, expected in _mapping(certificate, "code").items():
        path = source / name
        if not path.is_file() or files.sha256(path) != expected:
            raise CertificateError(
                f"{name} is not the code that version {certificate.get('version')} was measured "
                f"with; run `medpipe run {certificate.get('workload')}`, so that the gate judges "
                "the model with this code"
            )


def verify_time(certificate: Mapping[str, Any], now: datetime) -> None:
    """Nothing, until `certificate` expires.

    Raises
    ------
    CertificateError : it has expired, or its field ``expires`` is no time
    """
    expires = certificate.get("expires")
    if expires is None:
        return
    try:
        is_over = now >= datetime.fromisoformat(expires)
    except (TypeError, ValueError):
        raise CertificateError(
            f"the certificate's field expires is {expires!r}, not a time with its zone, or null"
        ) from None
    if is_over:
        raise CertificateError(
            f"the certificate of version {certificate.get('version')} expired on {expires}; let "
            f"the gate judge the model anew with `medpipe promote {certificate.get('workload')}`"
        )


def read(folder: Path) -> dict[str, Any]:
    """The certificate in `folder`, unverified.

    Raises
    ------
    CertificateError : there is none, or it is not JSON
    """
    path = folder / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CertificateError(
            f"{path} is not there; `medpipe promote` writes it when the gate allows a model"
        ) from None
    except ValueError as error:
        raise CertificateError(
            f"{path} is not readable as JSON ({type(error).__name__}); "
            "restore it with `medpipe promote`"
        ) from None
    if not isinstance(content, dict):
        raise CertificateError(f"{path} holds no mapping; restore it with `medpipe promote`")
    return content


def write(certificate: Mapping[str, Any], folder: Path) -> None:
    """`certificate` into `folder`, in the canonical form: the file's SHA-256 is its `digest`."""
    with files.new_file(folder / FILE) as partial:
        partial.write_bytes(canonical(certificate))


def sign(statement: Mapping[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    """`statement` with ``public_key`` and ``signature``, hexadecimal."""
    content = {**statement, "public_key": key.public_key().public_bytes_raw().hex()}
    return {**content, "signature": key.sign(canonical(content)).hex()}


def verify_signature(statement: Mapping[str, Any], trusted: Trusted, *, what: str) -> None:
    """Nothing, when `statement` is unchanged since one of the `trusted` keys signed it.

    Raises
    ------
    CertificateError : unsigned, changed, or signed by another key; `what` names it in the message
    """
    public = _hexadecimal(statement, "public_key", 32, what)
    signature = _hexadecimal(statement, "signature", 64, what)
    if public not in trusted:
        raise CertificateError(
            f"{what}: field public_key is {public.hex()[:16]}…, which is not trusted here; if it "
            "is your gate's, add the whole key to MEDPIPE_TRUSTED_KEYS (comma-separated)"
        )
    content = {name: value for name, value in statement.items() if name != "signature"}
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, canonical(content))
    except InvalidSignature:
        raise CertificateError(
            f"{what} does not fit its field signature: a field was changed after signing; "
            "restore it with `medpipe promote`"
        ) from None


def canonical(value: Any) -> bytes:
    """The one way of writing JSON that signatures and digests are made of."""
    return _CANONICAL.encode(value).encode("utf-8")


def digest(value: Any) -> str:
    """Hexadecimal SHA-256 of the canonical form of `value`; the name of a certificate."""
    return hashlib.sha256(canonical(value)).hexdigest()


_ENVELOPE = frozenset({"kind", "public_key", "signature"})


def _complete(facts: Mapping[str, Any]) -> None:
    for what, expected, found in (
        ("field", FACTS, set(facts)),
        ("digest of file", frozenset(COVERED), set(facts.get("digests") or ())),
    ):
        if odd := sorted(expected ^ found):
            relation = "lacks" if odd[0] in expected else "has an unknown"
            raise CertificateError(
                f"the certificate {relation} {what} {odd[0]}; make a new one with `medpipe promote`"
            )


def _mapping(certificate: Mapping[str, Any], field: str) -> dict[str, Any]:
    value = certificate.get(field)
    if not isinstance(value, dict):
        raise CertificateError(f"the certificate's field {field} is no mapping")
    return value


def _fits(path: Path, expected: str) -> None:
    advice = "restore the release with `medpipe promote`, or go back with `medpipe rollback`"
    if not path.is_file():
        raise CertificateError(f"{path} is not there, but the certificate covers it; {advice}")
    found = files.sha256(path)
    if found != expected:
        raise CertificateError(
            f"{path} has the SHA-256 {found[:16]}…, the certificate says {str(expected)[:16]}…: "
            f"it was changed after the gate allowed it; {advice}"
        )


def _hexadecimal(statement: Mapping[str, Any], field: str, size: int, what: str) -> bytes:
    try:
        value = bytes.fromhex(statement[field])
    except (KeyError, TypeError, ValueError):
        value = b""
    # fromhex reads capitals and blanks too, which the signature does not cover: one spelling only
    if len(value) != size or value.hex() != statement[field]:
        raise CertificateError(
            f"{what}: field {field} is missing or is not {size} bytes of lower-case hexadecimal; "
            "restore it with `medpipe promote`"
        )
    return value
