"""What is said of some items, one after the other in the source, and what is put down of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from medpipe import certificate
from medpipe.audit.record import ANSWERED, Entry, new_id
from medpipe.errors import RequestError
from medpipe.monitoring import facts
from medpipe.monitoring.journal import Seen
from medpipe.scoring import answers
from medpipe.scoring.parts import Stretch
from medpipe.scoring.questions import Question, Questions, Refused
from medpipe.serving import account
from medpipe.serving.predictor import Answer, worded
from medpipe.serving.release import Release
from medpipe.workload import Item

STANDARD = "score"
"""The way by which these answers came, in their records."""


@dataclass(frozen=True)
class Batch:
    """Items that the model is asked about at once, one after the other in the source.

    Parameters
    ----------
    end : number of the last one, from 1
    digest : of all items of the source up to that
    """

    items: tuple[Item, ...]
    end: int
    digest: str


class Respondent:
    """Answers batches for `release`, in many threads or, pickled, in other processes.

    Parameters
    ----------
    asked_by : as in a record
    """

    def __init__(self, release: Release, questions: Questions, *, asked_by: str) -> None:
        self._release, self._questions, self._asked_by = release, questions, asked_by

    def answer(self, batch: Batch) -> Stretch:
        """Answers and refusals, in the order of the source."""
        stretch = Stretch(batch.end, batch.digest)
        read = [self._questions.read(item) for item in batch.items]
        started = time.perf_counter()
        asked = [one for one in read if isinstance(one, Question)]
        judged = iter(self._judged(asked))
        took_ms = (time.perf_counter() - started) * 1000 / max(1, len(asked))
        for item, one in enumerate(read, start=batch.end - len(read) + 1):
            if isinstance(one, Question):
                self._say(item, one, *next(judged), took_ms=took_ms, stretch=stretch)
            else:
                self._refuse(item, one, stretch)
        return stretch

    def _judged(self, asked: Sequence[Question]) -> list[tuple[np.ndarray, float, list[float]]]:
        if not asked:
            return []
        stacked = {name: np.stack([one.inputs[name] for one in asked]) for name in asked[0].inputs}
        found = self._release.session.judge(stacked)
        along = found.directions.tolist()
        return list(zip(found.logit, found.distance.tolist(), along, strict=True))

    def _say(
        self,
        item: int,
        asked: Question,
        logits: np.ndarray,
        distance: float,
        along: Sequence[float],
        *,
        took_ms: float,
        stretch: Stretch,
    ) -> None:
        try:
            answer = worded(
                self._release,
                logits,
                distance,
                warnings=asked.cautions,
                answer_id=new_id(),
                took_ms=took_ms,
            )
        except RequestError as error:
            refused = Refused(asked.example, asked.digest, error.status, str(error))
            return self._refuse(item, refused, stretch)
        said = account.said(answer)
        entry = self._entry(answer.answer_id, asked.digest, ANSWERED, said, took_ms)
        stretch.answers.append(
            answers.row(answer, item=item, example=asked.example, group=asked.group)
        )
        stretch.entries.append(entry)
        if self._release.settings.watched.facts:
            values = {**asked.facts, **facts.scores(said), **facts.directions(along)}
            stretch.seen.append(self._seen(answer, asked, entry, values))

    def _refuse(self, item: int, refused: Refused, stretch: Stretch) -> None:
        told = {"refused": RequestError.__name__}
        entry = self._entry(new_id(), refused.digest, refused.status, told, 0.0)
        stretch.entries.append(entry)
        stretch.refused.append(
            {
                "item": item,
                "answer_id": entry.answer_id,
                "example": refused.example,
                "reason": refused.reason,
            }
        )

    def _entry(
        self,
        answer_id: str,
        digest: str | None,
        status: int,
        said: Mapping[str, object],
        took_ms: float,
    ) -> Entry:
        settings = self._release.settings
        return Entry(
            answer_id=answer_id,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            asked_by=self._asked_by,
            standard=STANDARD,
            workload=settings.workload,
            version=str(settings.version),
            certificate=self._release.certificate_sha256,
            input=digest,
            status=status,
            answer=certificate.canonical(dict(said)).decode(),
            latency_ms=round(took_ms, 3),
        )

    def _seen(
        self, answer: Answer, asked: Question, entry: Entry, values: Mapping[str, facts.Value]
    ) -> Seen:
        return Seen(
            answer_id=answer.answer_id,
            at=entry.at,
            workload=answer.workload,
            version=answer.model_version,
            certificate=answer.certificate_sha256,
            site=asked.site,
            bins=tuple(self._release.settings.watched.bins(values)),
        )
