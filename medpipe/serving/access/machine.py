"""Where neither keys nor tokens are set up: whether a request comes from this very machine.

A proxy on this machine speaks for others, and the browser here may be made to speak by a page from
elsewhere, so the address alone is not enough.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from medpipe.errors import AccessError
from medpipe.serving.access.caller import EVERYTHING, Caller
from medpipe.serving.access.credentials import Shown

CALLER = Caller("this machine", frozenset({EVERYTHING}))

_SAFE = ("GET", "HEAD", "OPTIONS")


def caller(peer: str | None, shown: Shown, *, version: str) -> Caller:
    """The caller "this machine".

    Parameters
    ----------
    peer : address of the other end of the connection; None for a socket that has none
    version : of HTTP; 1.0 is spoken by nginx where nothing else is said, and it then adds no header

    Raises
    ------
    AccessError : 401, it comes from elsewhere: by its address, by a proxy's header, or by the name
        that the service was called by (a name of another host that was made to mean this one)
    """
    is_direct = not shown.is_forwarded and version != "1.0"
    if is_direct and is_loopback(peer) and _is_ours(shown.host):
        return CALLER
    raise AccessError(
        "no API key is set up, so only clients on the service's own machine are answered; "
        "make one there with `medpipe keys add NAME --scope 'answer:*'`",
        status=401,
    )


def check_same_origin(method: str, shown: Shown) -> None:
    """Nothing, unless a page of another site makes the browser ask; then AccessError, 403.

    For what a browser sends along by itself (where it is, a Basic password) and for requests that
    leave something behind; what others ask, they cannot read.
    """
    if method in _SAFE or shown.site in ("same-origin", "none"):
        return
    is_ours = not shown.origin or urlsplit(shown.origin).netloc == shown.host
    if shown.site or not is_ours:  # older browsers, and pages without TLS, send the origin only
        raise AccessError(
            "a page of another site asked; use the service's own page, or send an API key as "
            "X-API-Key",
            status=403,
        )


def is_loopback(address: str | None) -> bool:
    """Whether `address` is this machine's own, 127.0.0.0/8 or ::1."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


def network(address: str | None) -> str:
    """Whose failures are counted together: an IPv4 address, or a household of IPv6 (/64)."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((int(found), 64), strict=False))


def _is_ours(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:  # half a bracket
        return False
    return name == "localhost" or is_loopback(name)
