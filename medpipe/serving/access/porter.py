"""Says who a request is from, or why it may not come in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medpipe import config
from medpipe.errors import AccessError, ParamsError
from medpipe.paths import Home
from medpipe.serving.access import credentials, keyfile, machine, tokens
from medpipe.serving.access.caller import Caller
from medpipe.serving.access.credentials import Shown
from medpipe.serving.access.keyring import Keyring
from medpipe.serving.access.rate import Buckets, Rate
from medpipe.serving.access.tokens import Tokens

LOOK_S = 1.0
"""Seconds between looks at the file of keys: how long a revoked one may still be answered."""

WRITE_S = 60.0
"""Seconds between writes of when keys were used."""

RATE = Rate(100, 1.0)
"""Of a caller for whom none is stated: a tenth of what the service answers on a small machine, so
that one who runs wild leaves room for the others, and far beyond a ward's or a PACS's pace."""

FAILURES = Rate(20, 60.0)
"""Refusals for want of a valid credential that an address is given reasons for. Who has a valid one
is answered all the same: many clients may share the address of a proxy."""

_BROWSERS = ('Bearer realm="medpipe"', 'Basic realm="medpipe", charset="UTF-8"')
_PROGRAMS = _BROWSERS[:1]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Known:
    """What callers are told by.

    Parameters
    ----------
    keyring : the API keys; None for none
    tokens : of an identity provider; None for none
    """

    keyring: Keyring | None = None
    tokens: Tokens | None = None

    @property
    def is_set_up(self) -> bool:
        """Whether there is any credential; if not, this machine is answered without."""
        return self.tokens is not None or (self.keyring is not None and self.keyring.is_set_up)


class Porter:
    """Callers by request.

    Parameters
    ----------
    make : gives what callers are told by; called when the server starts, so that making the
        application reads nothing. Without it only this machine is answered
    """

    def __init__(self, make: Callable[[], Known] = Known) -> None:
        self._make = make
        self._known: Known | None = None
        self._asked = Buckets()
        self._failed = Buckets()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Let callers in, and look for new and revoked keys, for the length of the block."""
        known = self._make()
        if known.keyring is not None:
            await asyncio.to_thread(known.keyring.look)
        if not known.is_set_up:
            _log.warning(
                "no API key and no identity provider is set up: only clients on this machine are "
                "answered, without a credential; see `medpipe keys add`"
            )
        self._known = known
        looking = asyncio.create_task(_keep(known.keyring))
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            if known.keyring is not None:
                await asyncio.to_thread(known.keyring.write_uses)

    async def caller(self, scope: Mapping[str, Any]) -> Caller:
        """Who sent the request of this ASGI scope.

        Raises
        ------
        AccessError : 401 nobody who is known; 403 asked by another site's page; 429 too often; 503
            it cannot be found out now
        """
        peer = scope["client"][0] if scope.get("client") else None
        try:
            shown = credentials.read(scope["headers"])
            caller = await self._told(peer, shown, scope.get("http_version", ""))
        except AccessError as error:
            raise self._failure(peer, error) from None
        if shown.kind in ("none", "basic"):
            machine.check_same_origin(scope["method"], shown)
        if caller.rate is not None and (wait_s := self._asked.take(caller.name, caller.rate)):
            raise _too_often(f"{caller.name} may ask {caller.rate}", wait_s)
        return caller

    async def _told(self, peer: str | None, shown: Shown, version: str) -> Caller:
        known = self._known
        if known is None:
            raise AccessError("the service is starting; try again", status=503, retry_after_s=1)
        if shown.kind == "none" and not known.is_set_up:
            return machine.caller(peer, shown, version=version)
        if shown.kind == "none":
            raise AccessError(
                "show who you are: an API key (`Authorization: Bearer KEY`, `X-API-Key: KEY`, or "
                "as the password of HTTP Basic)" + (", or a token" if known.tokens else ""),
                status=401,
            )
        if shown.kind == "bearer" and known.tokens and not shown.secret.startswith(keyfile.PREFIX):
            return await known.tokens.caller(shown.secret)
        if known.keyring is None or not known.keyring.is_set_up:
            raise AccessError("no API key is set up here; see `medpipe keys add`", status=401)
        return known.keyring.caller(shown.secret)

    def _failure(self, peer: str | None, error: AccessError) -> AccessError:
        """`error` as it is answered: with what may be shown instead, or, too often, without."""
        if error.status != 401:
            return error
        address = machine.network(peer)
        if wait_s := self._failed.take(address, FAILURES):
            return _too_often("no valid credential, too often from this address", wait_s)
        _log.warning("refused %s: %s", address, error)
        if not error.challenges:
            is_prompted = self._known is not None and self._known.is_set_up
            error.challenges = _BROWSERS if is_prompted else _PROGRAMS
        return error


def at(root: Path) -> Porter:
    """The porter of the service at `root`: its keys, and what the environment says.

    MEDPIPE_ACCESS_KEYS names another file of keys, MEDPIPE_OIDC_* an identity provider,
    MEDPIPE_RATE the rate of callers for whom none is stated.
    """

    def known() -> Known:
        said = config.environment("MEDPIPE_RATE")
        rate = RATE if said is None else _rate(said)
        path = keyfile.place(Home(root))
        trust = tokens.trust()
        return Known(
            Keyring(path, expected=path != Home(root).access_keys, rate=rate),
            None if trust is None else Tokens(trust, rate=rate),
        )

    return Porter(known)


def _rate(text: str) -> Rate:
    try:
        return Rate.of(text)
    except ParamsError as error:
        raise ParamsError(f"MEDPIPE_RATE: {error}") from None


def _too_often(whose: str, wait_s: float) -> AccessError:
    seconds = math.ceil(wait_s)
    return AccessError(f"{whose}; come back in {seconds} s", status=429, retry_after_s=seconds)


async def _keep(keyring: Keyring | None) -> None:
    """Look for new and revoked keys; now and then, write down which were used."""
    rounds = 0
    while keyring is not None:
        await asyncio.sleep(LOOK_S)
        await asyncio.to_thread(keyring.look)
        rounds += 1
        if rounds % round(WRITE_S / LOOK_S) == 0:
            await asyncio.to_thread(keyring.write_uses)
