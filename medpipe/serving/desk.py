"""The one way to an answer, whichever standard the question came in.

Every route hands its request over here: it gets a place among those under way, the champion's
predictor, an answer with a name of its own, and one line in the log. No path, query, header, file
name or value of a request is ever written down.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

from medpipe.errors import CertificateError, MedpipeError
from medpipe.serving.access.caller import ANSWER, Caller
from medpipe.serving.batching import Place, Places
from medpipe.serving.catalogue import Catalogue
from medpipe.serving.predictor import Answer
from medpipe.serving.release import Release

LOOK_S = 5.0
"""Seconds between looks for a new champion."""

PLACES = 256
"""Requests under way at once; further ones are told to come back. Eight full batches by default."""

HELD_BYTES = 1 << 30
"""Of uploads under way, so that many large ones cannot exhaust the memory."""

Content = Callable[[Place, Release], Awaitable[bytes]]
"""Gives what is asked about, as `Predictor.answer` takes it; holds its bytes in the place."""

_log = logging.getLogger(__name__)


class Desk:
    """Takes questions, and gives answers of the champions.

    Parameters
    ----------
    make : gives the catalogue; called once when the server starts, so that importing reads nothing
    """

    def __init__(self, make: Callable[[], Catalogue]) -> None:
        self._make = make
        self._places = Places(PLACES, HELD_BYTES)
        self._catalogue: Catalogue | None = None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Catalogue]:
        """Answer questions, and look for new champions, for the length of the block."""
        self._catalogue = self._make()
        await asyncio.to_thread(self._catalogue.refresh)
        looking = asyncio.create_task(_look(self._catalogue))
        try:
            yield self._catalogue
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    @property
    def catalogue(self) -> Catalogue:
        """What is served. Raises CertificateError while the server is starting."""
        if self._catalogue is None:
            raise CertificateError("the service is starting; try again in a second")
        return self._catalogue

    async def answer(
        self,
        workload: str,
        content: Content,
        *,
        answer_id: str,
        caller: Caller,
        explain: bool = False,
    ) -> Answer:
        """The champion's answer for `content`, accounted for.

        Parameters
        ----------
        answer_id : of `new_id`; a refusal has one too
        caller : who asks, ``request.state.caller``

        Raises
        ------
        MedpipeError : 4xx and 503 as `refusal` tells them; 403 whatever the route let through
        """
        started, version, status = time.perf_counter(), "-", "refused"
        try:
            with self._places.one() as place:
                caller.require(f"{ANSWER}:{workload}")
                predictor = self.catalogue.predictor(workload)
                settings = predictor.release.settings
                version = f"{settings.workload} {settings.version}"
                payload = await content(place, predictor.release)
                answer = await predictor.answer(payload, explain=explain, answer_id=answer_id)
            status = "answered"
            return answer
        except MedpipeError as error:
            status = f"refused, {type(error).__name__}"
            raise
        finally:
            took_ms = (time.perf_counter() - started) * 1000
            _log.info("answer %s: %s, %s, %.1f ms", answer_id, version, status, took_ms)


def new_id() -> str:
    """The name of an answer or a refusal; holds no identity."""
    return str(uuid4())


async def _look(catalogue: Catalogue) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        await asyncio.to_thread(catalogue.refresh)
