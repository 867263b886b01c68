"""What was seen, and what came of it: two tables beside the record of answers (docs/monitor.md)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from medpipe.audit import place as places
from medpipe.audit.database import Connection, Database, fetched, inserted
from medpipe.errors import AuditError, StorageError

_AT_ONCE = 5000
"""Answer ids that one statement names, and rows in memory while all are read."""
_SEEN, _OUTCOME = "medpipe_seen", "medpipe_outcome"
_TABLES = (
    f"""CREATE TABLE IF NOT EXISTS {_SEEN} (
    answer_id TEXT NOT NULL PRIMARY KEY,
    at TEXT NOT NULL,
    workload TEXT NOT NULL,
    version TEXT NOT NULL,
    certificate TEXT NOT NULL,
    site TEXT,
    bins TEXT NOT NULL)""",
    f"""CREATE TABLE IF NOT EXISTS {_OUTCOME} (
    sequence {{counter}},
    at TEXT NOT NULL,
    told_by TEXT NOT NULL,
    answer_id TEXT NOT NULL,
    workload TEXT NOT NULL,
    label TEXT NOT NULL,
    value TEXT NOT NULL)""",
)


@dataclass(frozen=True)
class Seen:
    """What one answer was given to.

    Parameters
    ----------
    at : UTC, ISO 8601
    site : keyed pseudonym; None where the question did not come through the door of ingest
    bins : in the order of the facts of the release with this certificate; −1: not stated
    """

    answer_id: str
    at: str
    workload: str
    version: str
    certificate: str
    site: str | None
    bins: tuple[int, ...]


@dataclass(frozen=True)
class Outcome:
    """What turned out to be so.

    Parameters
    ----------
    told_by : name of the key or account
    label : a label column of the workload
    value : as that column holds it; None takes back what was told before
    """

    at: str
    told_by: str
    answer_id: str
    workload: str
    label: str
    value: Any


class Journal:
    """The two tables. For one thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with self._explained():
            self._connection: Connection = database.beside(_TABLES)

    def close(self) -> None:
        """Let go of the connection."""
        with contextlib.suppress(*self._database.failures):
            self._connection.close()

    def see(self, rows: Sequence[Seen]) -> None:
        """Put `rows` down; of an answer that is there already, nothing."""
        kept = [[*_values(row)[:-1], json.dumps(row.bins)] for row in rows]
        self._insert(_SEEN, Seen, kept, "ON CONFLICT (answer_id) DO NOTHING")

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Put `outcomes` down behind those that are there, all or none."""
        kept = [[*_values(row)[:-1], json.dumps(row.value)] for row in outcomes]
        self._insert(_OUTCOME, Outcome, kept)

    def seen(self, workload: str, *, since: str = "") -> Iterator[Seen]:
        """What was seen of `workload`, by time; from `since` (UTC, ISO 8601) on."""
        mark, last = self._database.mark, (since, "")
        names = ", ".join(field.name for field in fields(Seen))
        while True:
            found = self._select(
                f"SELECT {names} FROM {_SEEN} WHERE workload = {mark} AND "
                f"(at > {mark} OR (at = {mark} AND answer_id > {mark})) "
                f"ORDER BY at, answer_id LIMIT {_AT_ONCE}",
                [workload, last[0], last[0], last[1]],
            )
            yield from (
                Seen(**_fields(Seen, row) | {"bins": tuple(json.loads(row[-1]))}) for row in found
            )
            if len(found) < _AT_ONCE:
                return
            last = (found[-1][1], found[-1][0])

    def outcomes(self, workload: str) -> dict[str, dict[str, Any]]:
        """What counts now: answer id → label → value. What was taken back is left out."""
        found = self._outcomes(f"WHERE workload = {self._database.mark}", [workload])
        said: dict[str, dict[str, Any]] = {}
        for outcome in found:  # in the order in which they were told: the last one counts
            said.setdefault(outcome.answer_id, {})[outcome.label] = outcome.value
        known = {a: {k: v for k, v in of.items() if v is not None} for a, of in said.items()}
        return {answer_id: labels for answer_id, labels in known.items() if labels}

    def history(self, answer_id: str) -> list[Outcome]:
        """All that was ever told of one answer, in the order in which it was told."""
        return self._outcomes(f"WHERE answer_id = {self._database.mark}", [answer_id])

    def told(self, *, since: str = "") -> list[Outcome]:
        """All that was told from `since` (UTC, ISO 8601) on, in the order in which it was told."""
        return self._outcomes(f"WHERE at >= {self._database.mark}", [since])

    def current(self, answer_ids: Sequence[str]) -> Mapping[tuple[str, str], Any]:
        """What was told last of `answer_ids`: (answer id, label) → value."""
        said = {}
        for start in range(0, len(answer_ids), _AT_ONCE):
            some = answer_ids[start : start + _AT_ONCE]
            marks = ", ".join([self._database.mark] * len(some))
            for outcome in self._outcomes(f"WHERE answer_id IN ({marks})", some):
                said[outcome.answer_id, outcome.label] = outcome.value
        return said

    def _outcomes(self, where: str, values: Sequence[object]) -> list[Outcome]:
        names = ", ".join(field.name for field in fields(Outcome))
        rows = self._select(f"SELECT {names} FROM {_OUTCOME} {where} ORDER BY sequence", values)
        return [Outcome(**_fields(Outcome, row) | {"value": json.loads(row[-1])}) for row in rows]

    def _select(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        with self._explained():
            return list(fetched(self._connection.cursor(), statement, values))

    def _insert(
        self,
        table: str,
        kind: type[Seen] | type[Outcome],
        rows: Sequence[Sequence[object]],
        conflict: str = "",
    ) -> None:
        if not rows:
            return
        into = f"{table} ({', '.join(field.name for field in fields(kind))})"
        with self._explained():
            cursor = self._connection.cursor()
            cursor.execute("BEGIN")
            try:
                inserted(cursor, self._database.mark, into, rows, conflict)
                cursor.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(*self._database.failures):
                    cursor.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
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
        raise AuditError(f"what is watched, beside {self._database.shown}, failed: {reason}")


@contextmanager
def at(root: Path) -> Iterator[Journal]:
    """The journal of the project at `root`.

    Raises
    ------
    AuditError : it is out of reach
    """
    journal = Journal(places.at(root).database)
    try:
        yield journal
    finally:
        journal.close()


def _fields(kind: type[Seen] | type[Outcome], row: Sequence[Any]) -> dict[str, Any]:
    return dict(zip((field.name for field in fields(kind)), row, strict=True))


def _values(row: Any) -> list[object]:
    return list(vars(row).values())  # in the order of its fields
