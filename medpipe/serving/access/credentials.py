"""What a request shows of itself, read out of its headers in one pass. Nothing is judged here."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from medpipe.errors import AccessError

Kind = Literal["none", "bearer", "basic", "x-api-key"]

_LENGTH_MAX = 16 * 1024
"""Of a credential, bytes; a token with many groups has about 4 KiB."""
_BY_PROXIES = (b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"true-client-ip")
_KEPT = {b"host": "host", b"origin": "origin", b"sec-fetch-site": "site"}


@dataclass
class Shown:
    """What a request shows.

    Parameters
    ----------
    kind : how its secret came
    secret : a key or a token; "" where there is none
    is_forwarded : whether a proxy has put a header on it
    host, origin, site : headers of a browser; "" where they are missing
    """

    kind: Kind = "none"
    secret: str = field(default="", repr=False)
    is_forwarded: bool = False
    host: str = ""
    origin: str = ""
    site: str = ""


def read(headers: Iterable[tuple[bytes, bytes]]) -> Shown:
    """What the headers show.

    Parameters
    ----------
    headers : as ASGI gives them, names in lower case

    Raises
    ------
    AccessError : 401, a credential of another kind, two of them, or none that can be read
    """
    shown = Shown()
    for name, value in headers:
        if name == b"authorization":
            _take(shown, *_authorization(value))
        elif name == b"x-api-key":
            _take(shown, "x-api-key", value)
        elif name in _KEPT:
            setattr(shown, _KEPT[name], value.decode("latin-1").lower())
        elif name in _BY_PROXIES or name.startswith(b"x-forwarded"):
            shown.is_forwarded = True
    return shown


def _take(shown: Shown, kind: Kind, secret: bytes) -> None:
    if shown.kind != "none":
        raise AccessError("two credentials were sent; send one", status=401)
    if len(secret) > _LENGTH_MAX or not secret.isascii() or not secret.strip():
        raise AccessError(
            "the credential is empty, not ASCII or over 16 KiB long; send an API key or a token",
            status=401,
        )
    shown.kind, shown.secret = kind, secret.decode("ascii").strip()


def _authorization(value: bytes) -> tuple[Kind, bytes]:
    scheme, _, rest = value.strip().partition(b" ")
    if scheme.lower() == b"bearer":
        return "bearer", rest
    if scheme.lower() == b"basic":
        return "basic", _password(rest)
    raise AccessError("send `Authorization: Bearer`, `Basic`, or `X-API-Key`", status=401)


def _password(encoded: bytes) -> bytes:
    """The password of HTTP Basic, RFC 7617: an API key. The user's name is not asked for."""
    try:
        return base64.b64decode(encoded.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        raise AccessError("the Basic credential is not base64", status=401) from None
