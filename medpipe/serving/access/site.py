"""Where a request says that it comes from, so that what is watched can be told apart by site.

A clinic, a ward, a device: one word of the client's own, in a header. It is kept as a keyed
pseudonym only, and changes no answer.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

from medpipe.errors import RequestError

HEADER = "Medpipe-Site"
_LENGTH_MAX = 64
_NAME = f"[!-~]([ -~]{{0,{_LENGTH_MAX - 2}}}[!-~])?"
PARAMETER: dict[str, Any] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Where the question comes from: a clinic, a device. Kept as a keyed pseudonym, "
    "for monitoring; changes no answer",
    "schema": {"type": "string", "maxLength": _LENGTH_MAX, "pattern": f"^{_NAME}$"},
}
"""The header, for a description of a route in OpenAPI."""


def stated(scope: MutableMapping[str, Any]) -> str | None:
    """The site that the request of the ASGI `scope` names; None where it names none.

    Raises
    ------
    RequestError : 400, more than one, or not such a name
    """
    wanted = HEADER.lower().encode()
    found = [value for name, value in scope["headers"] if name.lower() == wanted]
    if not found:
        return None
    said: str = found[0].decode("latin-1")
    if len(found) > 1 or not re.fullmatch(_NAME, said):
        raise RequestError(
            f"the header {HEADER} takes one name of 1 to {_LENGTH_MAX} printable ASCII characters, "
            "or is left out",
            status=400,
        )
    return said
