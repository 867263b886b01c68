"""The model that does not answer is asked too, once the answer is on record: silently.

One question at a time, behind the answers and never in their way: where more wait than a few, the
next are left out and counted. What it says is on record beside the answer, and held against it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from medpipe import certificate, probation
from medpipe.audit.record import ANSWERED, Entry
from medpipe.errors import AuditError
from medpipe.serving import refusal
from medpipe.serving.account import said
from medpipe.serving.predictor import Answer
from medpipe.serving.probation import Turn, outcome_of
from medpipe.serving.release import Release

WAITING_MAX = 32
HELD_BYTES = 256 << 20
"""Of questions that wait."""
_log = logging.getLogger(__name__)
Record = Callable[[Entry, bool], Awaitable[None]]
"""Puts an entry on record, which may be spooled or not; raises AuditError."""


class Silent:
    """Asks the other model. Lives in one event loop.

    Parameters
    ----------
    record : see `Record`
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._waiting: deque[tuple[Turn, Entry]] = deque()
        self._held = 0
        self._working: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Ask for the length of the block; what waits at its end is left out."""
        try:
            yield
        finally:
            if self._working is not None:
                self._working.cancel()
                await asyncio.gather(self._working, return_exceptions=True)

    def put(self, turn: Turn, entry: Entry) -> None:
        """Have the other model asked what was answered with `entry`."""
        if len(self._waiting) >= WAITING_MAX or self._held + len(turn.payload) > HELD_BYTES:
            turn.candidate.dropped += 1
            return
        self._held += len(turn.payload)
        self._waiting.append((turn, entry))
        if self._working is None:
            self._working = asyncio.create_task(self._work())

    async def _work(self) -> None:
        try:
            while self._waiting:
                turn, entry = self._waiting.popleft()
                self._held -= len(turn.payload)
                if turn.candidate.stopped is not None and turn.failed is None:
                    turn.candidate.dropped += 1
                    continue
                outcome = await outcome_of(self._one(turn, entry))
                if isinstance(outcome, BaseException):
                    # Of another library its words might quote what was sent.
                    why = outcome if isinstance(outcome, AuditError) else type(outcome).__name__
                    _log.error("what was asked silently is not on record: %s", why)
                    turn.candidate.dropped += 1
        finally:
            self._working = None

    async def _one(self, turn: Turn, entry: Entry) -> None:
        """Ask, put on record, and count."""
        candidate, other = turn.candidate, turn.candidate.predictor
        if turn.is_aloud:
            other = turn.champion
        found: Answer | BaseException | None = turn.failed
        if found is None:
            answer_id = probation.silent_id(entry.answer_id)
            found = await outcome_of(other.answer(turn.payload, answer_id=answer_id))
        spoken = None if isinstance(found, BaseException) else said(found)
        made = _entry(turn, entry, other.release, found, spoken)
        await self._record(made, other.release.settings.serve.audit == "spool")
        if spoken is None and not turn.is_aloud:
            candidate.count(candidate.tally.failed())
            return
        took_ms = (entry if turn.is_aloud else made).latency_ms
        differs = None
        if spoken is not None:
            differs = not other.release.objective.agrees(spoken, json.loads(entry.answer))
        late = took_ms > candidate.terms.latency_p95_ms
        candidate.count(candidate.tally.given(late=late, differs=differs))


def _entry(
    turn: Turn,
    entry: Entry,
    release: Release,
    found: Answer | BaseException,
    spoken: dict[str, Any] | None,
) -> Entry:
    """What goes on record of the other model beside `entry`."""
    status, took_ms = ANSWERED, 0.0
    if isinstance(found, BaseException):
        status = refusal.status(found)[0]
        spoken = {"refused": type(found).__name__}
    else:
        took_ms = found.duration_ms
    return Entry(
        answer_id=probation.silent_id(entry.answer_id),
        at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        asked_by=entry.asked_by,
        standard=probation.FAILED if turn.failed is not None else probation.SILENT,
        workload=release.settings.workload,
        version=str(release.settings.version),
        certificate=release.certificate_sha256,
        input=entry.input,
        status=status,
        answer=certificate.canonical({"beside": entry.answer_id, **(spoken or {})}).decode(),
        latency_ms=took_ms,
    )
