"""The one way to an answer, whichever standard the question came in.

Every route hands its request over here: it gets a place among those under way, the champion's
predictor, an answer with a name of its own, a record of it that cannot be changed later, and one
line in the log. No path, query, header, file name or value of a request is ever written down.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from medpipe.audit import place as places
from medpipe.audit.record import Entry
from medpipe.errors import AuditError, CertificateError, MedpipeError
from medpipe.monitoring.facts import Value
from medpipe.serving.access.caller import ANSWER, Caller
from medpipe.serving.account import Account
from medpipe.serving.batching import Place, Places
from medpipe.serving.catalogue import Catalogue
from medpipe.serving.predictor import Answer
from medpipe.serving.probation import Turn
from medpipe.serving.recorder import Recorder
from medpipe.serving.release import Release
from medpipe.serving.silent import Silent

LOOK_S = 1.0
"""Seconds between looks for a new champion."""

PLACES = 256
"""Requests under way at once; further ones are told to come back. Eight full batches by default."""

HELD_BYTES = 1 << 30
"""Of uploads under way, so that many large ones cannot exhaust the memory."""

Content = Callable[[Place, Release], Awaitable[bytes]]
"""Gives what is asked about, as `Predictor.answer` takes it; holds its bytes in the place."""

_UNRECORDED = (
    "nothing is answered that cannot be recorded, and the record of answers is out of reach; "
    "/readyz says why"
)
"""What a client is told; the reason itself may name a host or a folder."""

_log = logging.getLogger(__name__)


class Desk:
    """Takes questions, and gives answers of the champions.

    Parameters
    ----------
    catalogue, recorder : called once when the server starts, so that importing reads nothing
    """

    def __init__(
        self, catalogue: Callable[[], Catalogue], recorder: Callable[[], Recorder]
    ) -> None:
        self._make_catalogue, self._make_recorder = catalogue, recorder
        self._places = Places(PLACES, HELD_BYTES)
        self._catalogue: Catalogue | None = None
        self._recorder: Recorder | None = None
        self._silent: Silent | None = None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Catalogue]:
        """Answer questions, and look for new champions, for the length of the block."""
        self._catalogue = catalogue = self._make_catalogue()
        self._recorder = recorder = self._make_recorder()
        await asyncio.to_thread(catalogue.refresh)
        self._silent = silent = Silent(
            lambda entry, may_spool: recorder.record(entry, may_spool=may_spool)
        )
        async with recorder.open(), silent.open():
            # Apart, so that nothing about a model on probation keeps a champion waiting.
            looks = (catalogue.refresh, catalogue.probations.refresh)
            looking = [asyncio.create_task(_look(refresh)) for refresh in looks]
            try:
                yield catalogue
            finally:
                for task in looking:
                    task.cancel()
                await asyncio.gather(*looking, return_exceptions=True)

    @property
    def catalogue(self) -> Catalogue:
        """What is served. Raises CertificateError while the server is starting."""
        if self._catalogue is None:
            raise CertificateError("the service is starting; try again in a second")
        return self._catalogue

    def not_ready(self) -> str | None:
        """Why not every release can answer; None when each of them can."""
        if self._catalogue is None or self._recorder is None:
            return "the service is starting"
        releases = [each.release for each in self._catalogue.predictors.values()]
        may_spool = all(release.settings.serve.audit == "spool" for release in releases)
        reasons = [self._catalogue.not_ready()]
        try:
            self._recorder.check(may_spool=may_spool)
        except AuditError as error:
            reasons.append(str(error))
        return "; ".join(reason for reason in reasons if reason) or None

    def kept_at(self) -> places.Place:
        """Where answers are recorded. Raises AuditError where that cannot be told."""
        return self._books.place()

    def place(self) -> contextlib.AbstractContextManager[Place]:
        """A place for what is received before the desk is asked: several files in one request.

        Raises
        ------
        OverloadedError : all are taken
        """
        return self._places.one()

    async def answer(
        self,
        workload: str,
        content: Content,
        *,
        answer_id: str,
        caller: Caller,
        standard: str,
        explain: bool = False,
    ) -> Answer:
        """The champion's answer for `content`; what it says is on record when this returns.

        Parameters
        ----------
        answer_id : of `audit.record.new_id`; a refusal has one too, and is recorded as well
        caller : who asks, ``request.state.caller``
        standard : the way by which it came: http, dicomweb, fhir, …

        Raises
        ------
        AuditError : 503, it could not be recorded
        MedpipeError : 4xx and 503 as `refusal` tells them; 403 whatever the route let through
        """
        account, outcome = Account(answer_id, asked_by=caller.name, standard=standard), "failed"
        try:
            with self._places.one() as place:
                caller.require(f"{ANSWER}:{workload}")
                answer, asked, turn = await self._answered(
                    workload, content, place, account, explain
                )
                entry = await account.answered(answer)
                await self._record(entry, account)
                if turn is not None and self._silent is not None:
                    self._silent.put(turn, entry)
                site = self._books.site(caller.site)
                if (seen := account.seen(entry, asked, site=site)) is not None:
                    self._books.watch.put(seen)
            outcome = "answered"
            return answer
        except AuditError as error:
            outcome = "not recorded"
            raise AuditError(_UNRECORDED) from error
        except MedpipeError as error:
            outcome = f"refused, {type(error).__name__}"
            await self._record_refusal(error, account)
            raise
        except Exception as error:  # a fault of ours: on record, and raised as it is
            await self._record_refusal(error, account)
            raise
        finally:
            took_ms = account.took_ms
            _log.info("answer %s: %s, %s, %.1f ms", answer_id, account.version, outcome, took_ms)

    async def _answered(
        self, workload: str, content: Content, place: Place, account: Account, explain: bool
    ) -> tuple[Answer, Mapping[str, Value], Turn | None]:
        predictor = self.catalogue.predictor(workload)
        account.reached(predictor.release)
        chain = self._books.check(may_spool=account.may_spool)
        payload = await content(place, predictor.release)
        account.read(payload, chain)
        beside = self.catalogue.probations
        return await beside.ask(predictor, payload, account, chain, explain=explain)

    async def _record_refusal(self, error: Exception, account: Account) -> None:
        try:
            await self._record(await account.refused(error), account)
        except AuditError as failure:
            raise AuditError(_UNRECORDED) from failure

    async def _record(self, entry: Entry, account: Account) -> None:
        await self._books.record(entry, may_spool=account.may_spool)

    @property
    def _books(self) -> Recorder:
        if self._recorder is None:
            raise AuditError("the service is starting")
        return self._recorder


async def _look(refresh: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        await asyncio.to_thread(refresh)
