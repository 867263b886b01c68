"""What is said of some items, one after the other in the source, and what is put down of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

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
from medpipe.serving.predictor import limit
from medpipe.serving.release import Release
from medpipe.serving.wording import not_finite, said_of_each
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


@dataclass(frozen=True)
class _Told:
    """What is said to a question.

    Parameters
    ----------
    said : as it is recorded
    bins : what is watched; empty where the release watches nothing
    """

    question: Question
    cautions: Sequence[str]
    said: Mapping[str, Any]
    bins: tuple[int, ...]
    took_ms: float


class Respondent:
    """Answers batches for `release`, in many threads or, pickled, in other processes.

    Parameters
    ----------
    asked_by : as in a record
    """

    def __init__(self, release: Release, questions: Questions, *, asked_by: str) -> None:
        self._release, self._questions = release, questions
        self._limit = limit(release.settings)
        self._columns = facts.columns(release.workload)
        self._asked_by = asked_by
        self._release_is = {
            "workload": release.settings.workload,
            "version": str(release.settings.version),
            "certificate": release.certificate_sha256,
        }
        self._of_row = {
            "model_version": self._release_is["version"],
            "certificate_sha256": self._release_is["certificate"],
        }

    def answer(self, batch: Batch) -> Stretch:
        """Answers and refusals, in the order of the source."""
        read = [self._questions.read(item) for item in batch.items]
        told = iter(self._told([one for one in read if isinstance(one, Question)]))
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        stretch = Stretch(batch.end, batch.digest)
        for item, one in enumerate(read, start=batch.end - len(read) + 1):
            ended = next(told) if isinstance(one, Question) else one
            if isinstance(ended, Refused):
                self._refuse(item, ended, at, stretch)
            else:
                self._say(item, ended, at, stretch)
        return stretch

    def _told(self, asked: Sequence[Question]) -> list[_Told | Refused]:
        if not asked:
            return []
        started, release = time.perf_counter(), self._release
        judged = release.session.judge(
            {name: np.stack([one.inputs[name] for one in asked]) for name in asked[0].inputs}
        )
        took_ms = round((time.perf_counter() - started) * 1000 / len(asked), 3)
        fields = said_of_each(
            judged.logit,
            judged.distance.tolist(),
            objective=release.objective,
            point=release.point,
            limit=self._limit,
            cautions=[one.cautions for one in asked],
        )
        said = [account.recorded(found or {}) for found in fields]
        bins = self._bins(asked, said, judged.directions)
        return [
            _Told(one, found["warnings"], words, places, took_ms) if found else _not_finite(one)
            for one, found, words, places in zip(asked, fields, said, bins, strict=True)
        ]

    def _bins(
        self, asked: Sequence[Question], said: Sequence[Mapping[str, Any]], along: np.ndarray
    ) -> list[tuple[int, ...]]:
        """What is watched of each question, and of what was said of it."""
        found = facts.of_answers(
            facts.inputs_of([one.row for one in asked], self._columns),
            [one.pixels for one in asked],
            [facts.scores(words) for words in said],
            along,
        )
        return self._release.settings.watched.bins_of(found, count=len(asked))

    def _say(self, item: int, told: _Told, at: str, stretch: Stretch) -> None:
        one, answer_id = told.question, new_id()
        who = {"item": item, "answer_id": answer_id, "example": one.example, "group": one.group}
        stretch.answers.append(answers.row(told.said, told.cautions, **who, **self._of_row))
        stretch.entries.append(
            self._entry(answer_id, at, one.digest, ANSWERED, told.said, told.took_ms)
        )
        if told.bins:
            stretch.seen.append(
                Seen(answer_id=answer_id, at=at, **self._release_is, site=one.site, bins=told.bins)
            )

    def _refuse(self, item: int, refused: Refused, at: str, stretch: Stretch) -> None:
        answer_id, told = new_id(), {"refused": RequestError.__name__}
        stretch.entries.append(
            self._entry(answer_id, at, refused.digest, refused.status, told, 0.0)
        )
        who = {"item": item, "answer_id": answer_id, "example": refused.example}
        stretch.refused.append({**who, "reason": refused.reason})

    def _entry(
        self,
        answer_id: str,
        at: str,
        digest: str | None,
        status: int,
        said: Mapping[str, Any],
        took_ms: float,
    ) -> Entry:
        return Entry(
            answer_id=answer_id,
            at=at,
            asked_by=self._asked_by,
            standard=STANDARD,
            **self._release_is,
            input=digest,
            status=status,
            answer=certificate.canonical(said).decode(),
            latency_ms=took_ms,
        )


def _not_finite(asked: Question) -> Refused:
    error = not_finite()
    return Refused(asked.example, asked.digest, error.status, str(error))
