"""The public keys of an identity provider: fetched, kept for a while, fetched anew.

PyJWT's own client fetches and reads them. It would do so again for each request while the provider
is away, in the middle of the event loop; when to ask is therefore decided here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import jwt
from jwt import PyJWK, PyJWKClient, PyJWKSet

from medpipe.errors import AccessError, ParamsError
from medpipe.serving.access.machine import is_loopback

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Of signatures that are believed. Asymmetric only: a secret that is shared with the provider could
be taken from here to make tokens with; "none" is none."""

FRESH_S = 600
"""After which the keys are fetched anew: how long one that was withdrawn is still believed."""
KEEP_S = 3600
"""How long keys are believed while the provider cannot be reached."""
COOL_S = 10
"""Between two fetches, however many tokens with unknown keys arrive."""
_TIMEOUT_S = 5

Fetch = Callable[[], Sequence[PyJWK]]
_log = logging.getLogger(__name__)


class IssuerKeys:
    """Keys by their id. Lives in one event loop.

    Parameters
    ----------
    fetch : gives the keys that are offered now; runs in a thread, may raise what PyJWT raises
    clock : seconds that never go back
    """

    def __init__(self, fetch: Fetch, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._keys: dict[str, PyJWK] = {}
        self._asked = self._got = float("-inf")
        self._is_reached = False

    async def key(self, identity: str) -> PyJWK:
        """The key of this id.

        Raises
        ------
        AccessError : 401, the provider does not offer it; 503, the provider cannot be reached and
            it is not among the keys that it offered lately
        """
        if identity not in self._keys or self._clock() - self._got > FRESH_S:
            await self._renew()
        if identity in self._keys and self._clock() - self._got <= KEEP_S:
            return self._keys[identity]
        if not self._is_reached:
            raise AccessError(
                "the identity provider's keys cannot be had now, so no token can be checked; "
                "API keys still can",
                status=503,
                retry_after_s=COOL_S,
            )
        raise AccessError(
            "the token is signed with a key that its issuer does not offer", status=401
        )

    async def _renew(self) -> None:
        async with self._one_at_a_time:  # who waited here finds that it has just been done
            if self._clock() - self._asked < COOL_S:
                return
            self._asked = self._clock()
            try:
                found = await asyncio.to_thread(self._fetch)
            except (jwt.PyJWTError, OSError, ValueError) as error:
                self._is_reached = False
                _log.error("the identity provider's keys cannot be had: %s", type(error).__name__)
                return
            self._keys = {str(key.key_id): key for key in found if key.algorithm_name in ALGORITHMS}
            self._got, self._is_reached = self._clock(), True


def offered_at(where: str) -> Fetch:
    """How to get the keys at `where`: an https address in the building, or a file (JWKS).

    Raises
    ------
    ParamsError : an address whose answer could be forged on its way
    """
    if "://" not in where:
        return lambda: PyJWKSet.from_json(Path(where).read_text(encoding="utf-8")).keys
    address = urlsplit(where)
    is_here = address.hostname == "localhost" or is_loopback(address.hostname)
    if address.scheme != "https" and not (address.scheme == "http" and is_here):
        raise ParamsError(
            "MEDPIPE_OIDC_JWKS must be an https:// address (http:// on this machine only) or a file"
        )
    # Redirects are not followed, and proxies' and authorities' settings are those of Python.
    return PyJWKClient(where, cache_jwk_set=False, timeout=_TIMEOUT_S).get_signing_keys
