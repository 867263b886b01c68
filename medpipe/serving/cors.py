"""Which web pages of other hosts may ask: those of MEDPIPE_CORS_ORIGINS, none by default.

A record system that runs in a browser calls CDS Hooks and FHIR from its own page; a browser lets
it only where the service names that page's origin. It lends nobody a right: whoever asks must
still say who they are, and no cookie is ever taken.
"""

from __future__ import annotations

import re

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from medpipe import config
from medpipe.errors import ParamsError

VARIABLE = "MEDPIPE_CORS_ORIGINS"
_ORIGIN = re.compile(r"https://[a-z0-9.-]+(:\d+)?|http://(localhost|127\.0\.0\.1)(:\d+)?")


class Cors:
    """Around an application; reads the environment when the server starts, not before."""

    def __init__(self, app: ASGIApp) -> None:
        allowed = origins()
        self._app: ASGIApp = app
        if allowed:
            self._app = CORSMiddleware(
                app,
                allow_origins=allowed,
                allow_methods=["GET", "POST"],
                allow_headers=["Authorization", "Content-Type", "Accept"],
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def origins() -> list[str]:
    """The origins that the environment names, separated by commas.

    Raises
    ------
    ParamsError : one is none, or is any
    """
    named = (config.environment(VARIABLE) or "").split(",")
    found = [origin.strip().rstrip("/") for origin in named if origin.strip()]
    for origin in found:
        if not _ORIGIN.fullmatch(origin):
            raise ParamsError(
                f"{VARIABLE} holds {origin!r}; write origins such as https://ehr.example.org, "
                "separated by commas: https, no path, and no *"
            )
    return found
