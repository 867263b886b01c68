"""Stands in front of the whole application: nothing behind it has to remember to ask who asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from typing import Any

from medpipe.errors import AccessError, MedpipeError, RequestError
from medpipe.serving.access import routes, site
from medpipe.serving.access.caller import Caller
from medpipe.serving.access.porter import Porter

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_POLICY_VIOLATION = 1008  # RFC 6455 section 7.4.1


class Guard:
    """ASGI middleware that lets a request through with its caller in ``request.state.caller``.

    It stands twice in the service: around all that BentoML answers, and around our own application,
    which can be run without BentoML. The second time the caller is known.

    Parameters
    ----------
    refuse : path and error → the refusal, in the form that this path's clients read
    """

    def __init__(
        self, app: App, *, porter: Porter, refuse: Callable[[str, MedpipeError], App]
    ) -> None:
        self._app = app
        self._porter = porter
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through, or refuse."""
        if scope["type"] == "http" and not scope["path"].isprintable():
            # No route of anybody is called so; what stands behind would answer in words of its own.
            absent = RequestError("there is nothing here; see /v1/openapi.json", status=404)
            await self._refuse(scope["path"], absent)(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"] not in routes.OPEN:
            state = scope.setdefault("state", {})
            if not isinstance(state.get("caller"), Caller):
                try:
                    caller = await self._porter.caller(scope)
                    caller.require(routes.scope_of(scope["method"], scope["path"]))
                    if scope["method"] == "POST":
                        caller = replace(caller, site=site.stated(scope))
                except (AccessError, RequestError) as error:
                    await self._refuse(scope["path"], error)(scope, receive, send)
                    return
                state["caller"] = caller
        elif scope["type"] == "websocket":  # nothing here speaks it
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        await self._app(scope, receive, send)
