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
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from medpipe import files, keys
from medpipe.ahead import by_processes, by_threads, shared
from medpipe.audit.record import name
from medpipe.config import Params
from medpipe.deidentify.pseudonym import Pseudonyms, load_key
from medpipe.deidentify.row import Door
from medpipe.errors import ParamsError
from medpipe.paths import Layout
from medpipe.progress import Progress
from medpipe.scoring import answers
from medpipe.scoring.books import Books
from medpipe.scoring.parts import ANSWERS, REFUSED, Parts, Stretch
from medpipe.scoring.questions import Questions
from medpipe.scoring.respond import Batch, Respondent
from medpipe.serving.release import PACKAGED, Release, load
from medpipe.sources.options import WITHOUT_LABEL
from medpipe.tables.raw import MANIFEST
from medpipe.workload import Item, Source, Workload

PART_ITEMS = 5_000
PART_S = 60.0
"""A part ends after so many items or seconds: what a kill can cost."""
RECORDS_AT_ONCE = 256
_SUFFIXES = (".parquet", ".csv")
_log = logging.getLogger(__name__)


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
        self._respondent = Respondent(
            release,
            Questions(release, self._door, books.chain),
            asked_by=name(getpass.getuser()),
        )
        is_record = release.workload.payload == "record"
        self._batch = RECORDS_AT_ONCE if is_record else release.settings.serve.batch_max
        # Python alone reads records: threads would only wait for one another.
        self._hands = by_processes if is_record else by_threads
        self._others = (params.ingest.threads or len(os.sched_getaffinity(0))) - 1
        self._digest = hashlib.sha256()
        self._items = 0
        self._progress = Progress("examples scored")

    def run(self) -> dict[str, Any]:
        # A kill may have come before them, or when they were half done.
        self._books.put(*self._parts.last(), are_new=False)
        answered = shared(
            self._respondent.answer, self._batches(), hands=self._hands, count=self._others
        )
        with closing(answered):
            while part := self._part(answered):
                self._parts.add(part)
                self._books.put(part.entries, part.seen, are_new=True)
        return self._finished()

    def _part(self, answered: Iterator[Stretch]) -> Stretch:
        """The next part, batch by batch; empty at the source's end."""
        part, until = Stretch(), time.monotonic() + PART_S
        for stretch in answered:
            self._progress.add(len(stretch))
            part.extend(stretch)
            if len(part) >= PART_ITEMS or time.monotonic() >= until:
                break
        return part

    def _batches(self) -> Iterator[Batch]:
        """The items that no part is of."""
        items = self._remaining()
        size = min(self._batch, PART_ITEMS)
        while some := tuple(islice(items, size)):
            for item in some:
                self._count(item)
            yield Batch(some, end=self._items, digest=self._digest.hexdigest())

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

    def _count(self, item: Item) -> None:
        self._digest.update(self._door.revision(item).encode())
        self._items += 1

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
