"""The table: records put at its end, one transaction for all that wait, and read again."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from medpipe.audit.chain import Chain
from medpipe.audit.database import TABLE, Connection, Database, fetched, inserted
from medpipe.audit.head import Head
from medpipe.audit.record import COLUMNS, START, Entry, Link, Record
from medpipe.errors import AuditError, MissingStageError, StorageError

_AT_ONCE = 5000
"""Records in memory while all are read."""
_LISTED = ", ".join(COLUMNS)
_log = logging.getLogger(__name__)


class Store:
    """The records in `database`. For one thread at a time.

    Parameters
    ----------
    head : what this machine knows to be there
    """

    def __init__(self, database: Database, chain: Chain, head: Head) -> None:
        self._database = database
        self._chain = chain
        self._head = head
        self._connection: Connection | None = None
        self.end = START
        """The last record that is known to be in the table."""

    def open(self, *, create: bool = True) -> None:
        """Connect, and see that the table goes on from what was written last.

        Raises
        ------
        AuditError : the database cannot be reached or written to; records that this machine has
            seen are gone; the last record was written with another key
        MissingStageError : there is no table, and `create` is false
        """
        with self._explained():
            # First, because others may be writing; one that is only read is held against it later.
            seen = self._head.read() if create else START
            try:
                # A new table in place of one that is away would make it harder to put that back.
                self._connection = self._database.connect(create=create and seen == START)
            except MissingStageError:
                if not create:
                    raise
                raise self._cut(seen) from None
            if create:
                self._check_end(seen)

    def go_on(self, entry: Callable[[Link, Link], Entry]) -> Link:
        """Accept that records which this machine has seen are lost, and open; gives the new end.

        Parameters
        ----------
        entry : makes what is recorded of it, of the end that is there and the head that was seen

        Raises
        ------
        AuditError : nothing is lost, or the last record that is there is not genuine
        """
        with self._explained():
            seen = self._head.read()
            self._connection = self._database.connect(create=True)
            if self._is_there(seen):
                raise AuditError(f"nothing is lost: record {seen.sequence} is where it was")
            self._check_genuine(self.last(1))
            end = self.append([entry(self._end(), seen)])
            self._head.put_back(end)
            return end

    def close(self) -> None:
        """Let go of the connection; `open` begins anew."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*self._database.failures):
                connection.close()

    def append(self, entries: Sequence[Entry], *, are_new: bool = False) -> Link:
        """Put `entries` at the end, on the disk when this returns; gives the new end.

        An entry whose answer is recorded already is left out, so that what may or may not have been
        written can be written again; not looked for where all `are_new`, just named for the first
        time.

        Raises
        ------
        AuditError : they cannot be recorded
        """
        with self._explained():
            try:
                return self._appended(entries, are_new=are_new)
            except self._database.failures:
                # A connection that was cut meanwhile says so only now, perhaps after it wrote.
                self.close()
                self.open()
                return self._appended(entries)

    def records(self) -> Iterator[Record]:
        """All, by sequence, while others are being added."""
        last: int | None = None
        where = f"WHERE sequence > {self._database.mark}"
        while True:
            condition, values = (where, [last]) if last is not None else ("", [])
            found = self._select(f"{condition} ORDER BY sequence LIMIT {_AT_ONCE}", values)
            yield from found
            if len(found) < _AT_ONCE:
                return
            last = found[-1].sequence

    def of_release(self, certificate: str, *, since: str) -> Iterator[Record]:
        """The records of one release from `since` (UTC, ISO 8601) on, by sequence."""
        last, mark = 0, self._database.mark
        where = f"WHERE sequence > {mark} AND certificate = {mark} AND at >= {mark}"
        while True:
            values = [last, certificate, since]
            found = self._select(f"{where} ORDER BY sequence LIMIT {_AT_ONCE}", values)
            yield from found
            if len(found) < _AT_ONCE:
                return
            last = found[-1].sequence

    def last(self, count: int) -> list[Record]:
        """The last `count`, in the order in which they were written."""
        return self._select(f"ORDER BY sequence DESC LIMIT {int(count)}")[::-1]

    def of_answer(self, answer_id: str) -> Record | None:
        """The record of one answer or refusal."""
        found = self._select(f"WHERE answer_id = {self._database.mark}", [answer_id])
        return found[0] if found else None

    def of_answers(self, answer_ids: Sequence[str]) -> dict[str, Record]:
        """The records of those of `answer_ids` that are there, by answer id."""
        found = {}
        for start in range(0, len(answer_ids), _AT_ONCE):
            some = answer_ids[start : start + _AT_ONCE]
            marks = ", ".join([self._database.mark] * len(some))
            for record in self._select(f"WHERE answer_id IN ({marks})", some):
                found[record.answer_id] = record
        return found

    def of_input(self, digest: str) -> list[Record]:
        """The records of all that was said of one input; reads the whole table."""
        return self._select(f"WHERE input = {self._database.mark} ORDER BY sequence", [digest])

    def missing_triggers(self) -> list[str]:
        """Which of the triggers that refuse changes are not in force."""
        with self._explained():
            return self._database.missing_triggers(self._open)

    def _appended(self, entries: Sequence[Entry], *, are_new: bool = False) -> Link:
        cursor = self._open.cursor()
        try:
            for statement in self._database.begin:
                cursor.execute(statement)
            end = self._end()
            if end.sequence < self.end.sequence:
                raise self._cut(self.end)
            fresh = self._chain.sealed(entries if are_new else self._unknown(entries), end)
            if fresh:
                rows = [[getattr(record, column) for column in COLUMNS] for record in fresh]
                inserted(cursor, self._database.mark, f"{TABLE} ({_LISTED})", rows)
                end = Link(fresh[-1].sequence, fresh[-1].hash)
            self._require_place()  # so that what need not be written is not
            cursor.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(*self._database.failures):
                cursor.execute("ROLLBACK")
            raise
        self._require_place()
        self._head.raise_to(end)
        self.end = end
        return end

    def _require_place(self) -> None:
        if not self._database.is_in_place(self._open):
            raise AuditError(
                f"{self._database.shown} was moved or removed while it was in use; put it back"
            )

    def _unknown(self, entries: Sequence[Entry]) -> list[Entry]:
        marks = ", ".join([self._database.mark] * len(entries))
        asked = f"SELECT answer_id FROM {TABLE} WHERE answer_id IN ({marks})"
        rows = fetched(self._open.cursor(), asked, [entry.answer_id for entry in entries])
        known = {answer_id for (answer_id,) in rows}
        return [entry for entry in entries if entry.answer_id not in known]

    def _end(self) -> Link:
        asked = f"SELECT sequence, hash FROM {TABLE} ORDER BY sequence DESC LIMIT 1"
        return next((Link(*row) for row in fetched(self._open.cursor(), asked)), START)

    def _check_end(self, seen: Link) -> None:
        newest = self.last(1)
        self._check_genuine(newest)
        if not self._is_there(seen):
            raise self._cut(seen)
        if not newest:
            _log.info("a new record of answers begins in %s", self._database.shown)
        self.end = self._end()
        self._head.raise_to(self.end)

    def _check_genuine(self, newest: list[Record]) -> None:
        if newest and not self._chain.is_genuine(newest[0]):
            raise AuditError(
                f"record {newest[0].sequence} in {self._database.shown} was changed, or written "
                "with another key; give every machine the same MEDPIPE_AUDIT_KEY, and see "
                "`medpipe audit verify`"
            )

    def _is_there(self, seen: Link) -> bool:
        at = f"WHERE sequence = {self._database.mark}"
        return seen == START or seen.hash in [r.hash for r in self._select(at, [seen.sequence])]

    def _cut(self, seen: Link) -> AuditError:
        return AuditError(
            f"record {seen.sequence}, which this machine has seen, is not in "
            f"{self._database.shown}: an older copy was put in its place, or its end cut off. "
            "Put it back; if it is lost, `medpipe audit continue` says so in the record itself"
        )

    @property
    def _open(self) -> Connection:
        if self._connection is None:
            raise AuditError(f"{self._database.shown} is not open")
        return self._connection

    def _select(self, rest: str, values: Sequence[object] = ()) -> list[Record]:
        with self._explained():
            rows = fetched(self._open.cursor(), f"SELECT {_LISTED} FROM {TABLE} {rest}", values)
            return [Record(**dict(zip(COLUMNS, row, strict=True))) for row in rows]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what database and disk complain of into an AuditError that names no value."""
        try:
            yield
        except self._database.failures as error:
            reason = self._database.reason(error)
        except OSError as error:
            reason = str(error.strerror)
        except StorageError as error:
            reason = str(error)
        else:
            return
        self.close()
        raise AuditError(f"the record of answers in {self._database.shown} failed: {reason}")
