"""What is written down of one request: gathered while it is answered, and no word more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from medpipe import certificate
from medpipe.audit.chain import Chain
from medpipe.audit.record import ANSWERED, NOBODY, Entry, name
from medpipe.monitoring import facts
from medpipe.monitoring.facts import Value
from medpipe.monitoring.journal import Seen
from medpipe.serving import refusal
from medpipe.serving.predictor import Answer
from medpipe.serving.release import Release

SAID = frozenset(
    {"probability", "risk", "decision", "threshold", "classes", "labels", "value", "low", "high"}
    | {"coverage", "unit", "possible", "unfamiliar", "distance", "abstained"}
)
"""Fields of an answer that are recorded: what the model said."""
LEFT_OUT = frozenset(
    {"answer_id", "workload", "model_version", "certificate_sha256", "duration_ms"}
    | {"intended_use", "warnings", "explanation"}
)
"""Fields that have a column of their own; the same in every answer; or that may repeat what the
record said, as a warning does, or show it, as a picture does."""
_INLINE_BYTES = 1 << 18
"""The digest of less is sooner made than handed to a thread."""


def said(answer: Answer) -> dict[str, object]:
    """What is recorded of `answer`."""
    return recorded(answer.model_dump(include=set(SAID), exclude_unset=True))


def recorded(fields: Mapping[str, Any]) -> dict[str, object]:
    """What is recorded of an answer with these `fields`; what a label means is in none."""
    found = {name: value for name, value in fields.items() if name in SAID}
    if labels := found.get("labels"):
        found["labels"] = [
            {name: value for name, value in label.items() if name != "meaning"} for label in labels
        ]
    return found


class Account:
    """One request.

    Parameters
    ----------
    answer_id, asked_by, standard : see `medpipe.audit.record.Entry`
    """

    def __init__(self, answer_id: str, *, asked_by: str, standard: str) -> None:
        self.answer_id = answer_id
        self._asked_by = name(asked_by)
        self._standard = standard
        self._started = time.perf_counter()
        self._release: Release | None = None
        self._said: dict[str, object] = {}
        self._digest: str | None = None
        self._digesting: asyncio.Task[str] | None = None

    def reached(self, release: Release) -> None:
        """The release that is to answer."""
        self._release = release

    def read(self, payload: bytes, chain: Chain) -> None:
        """What the model is asked about; the digest of an image is made while the model works."""
        if len(payload) <= _INLINE_BYTES:
            self._digest = chain.input_digest(payload)
        else:
            work = asyncio.to_thread(chain.input_digest, payload)
            self._digesting = asyncio.create_task(work)

    async def digest(self) -> str:
        """Of what the model is asked about, once it was read."""
        if self._digesting is not None:
            self._digest = await self._digesting
        assert self._digest is not None
        return self._digest

    @property
    def version(self) -> str:
        """Workload and version, as the log tells them."""
        if self._release is None:
            return NOBODY
        return f"{self._release.settings.workload} {self._release.settings.version}"

    @property
    def took_ms(self) -> float:
        """Since the request began."""
        return (time.perf_counter() - self._started) * 1000

    @property
    def may_spool(self) -> bool:
        """Whether the policy lets it be answered while the store is down."""
        return self._release is not None and self._release.settings.serve.audit == "spool"

    async def answered(self, answer: Answer) -> Entry:
        """The entry of `answer`."""
        self._said = said(answer)
        return await self._entry(ANSWERED, self._said)

    def seen(self, entry: Entry, asked: Mapping[str, Value], *, site: str | None) -> Seen | None:
        """What the answer of `entry` was given to; None where the release watches nothing.

        Parameters
        ----------
        asked : facts of input and features, by name
        """
        if self._release is None or not (watched := self._release.settings.watched).facts:
            return None
        return Seen(
            answer_id=entry.answer_id,
            at=entry.at,
            workload=entry.workload,
            version=str(entry.version),
            certificate=self._release.certificate_sha256,
            site=site,
            bins=tuple(watched.bins({**asked, **facts.scores(self._said)})),
        )

    async def refused(self, error: Exception) -> Entry:
        """The entry of a refusal, or of a fault of ours: its kind, not its words."""
        return await self._entry(refusal.status(error)[0], {"refused": type(error).__name__})

    async def _entry(self, status: int, told: dict[str, object]) -> Entry:
        if self._digesting is not None:
            self._digest = await self._digesting
        found = self._release
        return Entry(
            answer_id=self.answer_id,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            asked_by=self._asked_by,
            standard=self._standard,
            workload=NOBODY if found is None else found.settings.workload,
            version=None if found is None else str(found.settings.version),
            certificate=None if found is None else found.certificate_sha256,
            input=self._digest,
            status=status,
            answer=certificate.canonical(told).decode(),
            latency_ms=round(self.took_ms, 3),
        )
