"""score: the champion's answers for all that a source offers, into one table.

The source is read as a stream and never held; answers go into parts that are whole or not there,
and become one file at the end. What is killed goes on when it is called again. Each answer has an
id and a record like one of the service, and the file appears once all of them are on record.
"""

from __future__ import annotations

import getpass
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from medpipe import certificate, files, keys
from medpipe.ahead import in_order
from medpipe.audit.record import ANSWERED, Entry, name
from medpipe.config import Params
from medpipe.deidentify.pseudonym import Pseudonyms, load_key
from medpipe.deidentify.row import Door
from medpipe.errors import ParamsError, RequestError
from medpipe.monitoring import facts
from medpipe.monitoring.journal import Seen
from medpipe.paths import Layout
from medpipe.progress import Progress
from medpipe.scoring import answers
from medpipe.scoring.books import Books
from medpipe.scoring.parts import ANSWERS, REFUSED, Parts, Stretch
from medpipe.scoring.questions import Question, Questions, Refused
from medpipe.serving import account
from medpipe.serving.predictor import Answer, worded
from medpipe.serving.release import PACKAGED, Release, load
from medpipe.sources.options import WITHOUT_LABEL
from medpipe.tables.raw import MANIFEST
from medpipe.workload import Item, Source, Workload

PART_ITEMS = 20_000
PART_S = 60.0
"""A part ends after so many items or seconds: what a kill can cost."""
STANDARD = "score"
"""The way by which these answers came, in their records."""
RECORDS_AT_ONCE = 256
_SUFFIXES = (".parquet", ".csv")
_log = logging.getLogger(__name__)
Numbered = tuple[int, Question | Refused]


@dataclass(frozen=True)
class Order:
    """What is asked for.

    Parameters
    ----------
    path : the source, in the layout called `source`
    out : the file to make, ``.parquet`` or ``.csv``; the refusals go beside it
    """

    source: str
    path: Path
    options: Mapping[str, Any]
    out: Path

    @property
    def refused(self) -> Path:
        """The file of what could not be answered."""
        return self.out.with_name(f"{self.out.stem}.refused{self.out.suffix}")

    @property
    def parts(self) -> Path:
        """What is done so far."""
        return self.out.with_name(f".{self.out.name}.parts")


def score(
    workload: Workload,
    params: Params,
    layout: Layout,
    *,
    path: Path,
    out: Path,
    source: str = "",
    bento: Path | None = None,
) -> dict[str, Any]:
    """Answers of the champion for the source at `path`, in the file `out`.

    Parameters
    ----------
    source : the layout of `path`; by default that of section `source`, with its options
    bento : folder of a bento, whose release is to answer instead

    Returns
    -------
    examples, refused, model_version, certificate_sha256, out

    Raises
    ------
    CertificateError : there is no such release, or its certificate does not fit
    ParamsError : `out` is there already, or the workload does not read such a source
    SourceError : the source is not of its layout
    AuditError, StorageError : the answers cannot be recorded, or written; what is done stays
    """
    declared = params.source
    named = source or declared.name
    order = Order(named, path, declared.options if named == declared.name else {}, out)
    if out.suffix not in _SUFFIXES:
        raise ParamsError(f"{out.name} is neither .parquet nor .csv; name such a file with --out")
    for there in (out, order.refused):
        # Refusals beside parts are of a scoring that was killed at its very end.
        if there.exists() and (there == out or not order.parts.exists()):
            raise ParamsError(f"{there} is there already; remove it, or give another --out")
    release = load(_folder(layout, bento), keys.trusted(layout.home))
    with (
        files.locked(out.with_name(f".{out.name}.lock")),
        Books.open(layout.root) as books,
    ):
        return _Scoring(release, params, layout, order, books).run()


class _Scoring:
    """One call."""

    def __init__(
        self, release: Release, params: Params, layout: Layout, order: Order, books: Books
    ) -> None:
        has_raw = (layout.raw / MANIFEST).exists()
        pseudonyms = Pseudonyms(load_key(layout.home, create=not has_raw))
        self._release, self._order, self._books = release, order, books
        self._door = Door(release.workload, params.ingest, pseudonyms)
        self._questions = Questions(release, self._door, books.chain)
        self._source = _source(release.workload, order)
        said = repr((order.source, str(order.path.resolve()), sorted(order.options.items())))
        self._parts = Parts(
            order.parts,
            of={
                "certificate": release.certificate_sha256,
                "asked": pseudonyms("scoring", said),
                "key": pseudonyms.check(),
            },
            schema=answers.schema(release),
        )
        is_record = release.workload.payload == "record"
        self._batch = RECORDS_AT_ONCE if is_record else release.settings.serve.batch_max
        # Python alone reads records: threads would only wait for one another.
        self._threads = 1 if is_record else params.ingest.threads or os.cpu_count() or 1
        self._asked_by = name(getpass.getuser())
        self._digest = hashlib.sha256()
        self._items = 0

    def run(self) -> dict[str, Any]:
        progress = Progress("examples scored")
        self._books.put(*self._parts.last())  # a kill may have come before them
        items = self._remaining()
        begun = self._items
        while True:
            stretch = self._stretch(items, progress)
            if self._items == begun:
                return self._finished()
            begun = self._items
            self._parts.add(stretch, items=self._items, digest=self._digest.hexdigest())
            self._books.put(*self._parts.last())

    def _remaining(self) -> Iterator[Item]:
        """The items that no part is of; all of them, where the source no longer begins the same."""
        done, digest = self._parts.end()
        items = self._source.items()
        for item in islice(items, done):
            self._count(item)
        if done and (self._items, self._digest.hexdigest()) != (done, digest):
            _log.warning("the source is not what it was when the scoring began: begun anew")
            self._parts.clear()
            self._digest, self._items = hashlib.sha256(), 0
            return self._source.items()
        if done:
            _log.info("%d examples were scored before; going on", done)
        return items

    def _stretch(self, items: Iterator[Item], progress: Progress) -> Stretch:
        """Answers and refusals of the next part, batch by batch; empty at the source's end."""
        until, first = time.monotonic() + PART_S, self._items + 1
        taken = self._taken(items, until, self._items + PART_ITEMS)
        read: Iterable[tuple[Item, Question | Refused]]
        if self._threads == 1:
            read = ((item, self._questions.read(item)) for item in taken)
        else:
            read = in_order(self._questions.read, taken, self._threads)
        found = enumerate((question for _, question in read), start=first)
        stretch = Stretch()
        while batch := list(islice(found, self._batch)):
            progress.add(len(batch))
            self._answer(batch, stretch)
        return stretch

    def _taken(self, items: Iterator[Item], until: float, last: int) -> Iterator[Item]:
        while self._items < last and time.monotonic() < until:
            item = next(items, None)
            if item is None:
                return
            self._count(item)
            yield item

    def _count(self, item: Item) -> None:
        self._digest.update(self._door.revision(item).encode())
        self._items += 1

    def _answer(self, batch: Sequence[Numbered], stretch: Stretch) -> None:
        """Put what is said of `batch` into `stretch`, in the order of the source."""
        started = time.perf_counter()
        asked = [one for _, one in batch if isinstance(one, Question)]
        judged: Iterator[tuple[np.ndarray, float, list[float]]] = iter(())
        if asked:
            stacked = {n: np.stack([one.inputs[n] for one in asked]) for n in asked[0].inputs}
            found = self._release.session.judge(stacked)
            along = found.directions.tolist()
            judged = zip(found.logit, found.distance.tolist(), along, strict=True)
        took_ms = (time.perf_counter() - started) * 1000 / max(1, len(asked))
        for item, one in batch:
            if isinstance(one, Question):
                self._say(item, one, *next(judged), took_ms=took_ms, stretch=stretch)
            else:
                self._refuse(item, one, stretch)

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
                answer_id=str(uuid4()),
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
        entry = self._entry(str(uuid4()), refused.digest, refused.status, told, 0.0)
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

    def _finished(self) -> dict[str, Any]:
        """The two files, the one with the answers last: all that is in it is on record."""
        order, release = self._order, self._release
        said = {
            "medpipe.workload": release.settings.workload,
            "medpipe.model_version": str(release.settings.version),
            "medpipe.certificate_sha256": release.certificate_sha256,
        }
        refused = self._parts.join(REFUSED, order.refused, facts=said)
        count = self._parts.join(ANSWERS, order.out, facts=said)
        with files.explained(order.out):
            shutil.rmtree(self._parts.folder)
        return {
            "examples": count,
            "refused": refused,
            "model_version": str(release.settings.version),
            "certificate_sha256": release.certificate_sha256,
            "out": str(order.out),
        }


def _folder(layout: Layout, bento: Path | None) -> Path:
    """The folder of the release that is to answer."""
    if bento is None:
        return layout.champion
    for folder in (bento / "src" / PACKAGED, bento / PACKAGED):
        if (folder / layout.workload).is_dir():
            return folder / layout.workload
    raise ParamsError(f"{bento} is no bento with a release of {layout.workload}")


def _source(workload: Workload, order: Order) -> Source:
    """The reader of `order`; of a table whose columns the user names, no label is asked for."""
    options = {**order.options, **WITHOUT_LABEL} if order.source == "table" else order.options
    return workload.source(order.source, order.path, options=options)
