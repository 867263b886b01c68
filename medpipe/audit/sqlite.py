"""The record of answers in one SQLite file: the default, for the workers of one machine.

References
----------
https://www.sqlite.org/wal.html: readers do not wait; not on a network file system.
https://www.sqlite.org/pragma.html#pragma_synchronous: FULL flushes at every commit.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from medpipe import files
from medpipe.audit.database import APPEND_ONLY, TABLE, Connection, Database, columns
from medpipe.errors import MissingStageError

BESIDE = "watch.db"
"""The file, in the same folder, of what is not chained."""
_BUSY_S = 5.0
"""How long to wait for another process that writes."""
_TRIGGERS = {
    f"{TABLE}_no_update": f"BEFORE UPDATE ON {TABLE} BEGIN SELECT RAISE(ABORT, '{APPEND_ONLY}')",
    f"{TABLE}_no_delete": f"BEFORE DELETE ON {TABLE} BEGIN SELECT RAISE(ABORT, '{APPEND_ONLY}')",
    # INSERT OR REPLACE deletes without asking the trigger above, unless it is refused before.
    f"{TABLE}_at_the_end": f"""BEFORE INSERT ON {TABLE}
        WHEN NEW.sequence IS NOT (SELECT coalesce(max(sequence), 0) + 1 FROM {TABLE})
        OR EXISTS (SELECT 1 FROM {TABLE} WHERE answer_id = NEW.answer_id)
        BEGIN SELECT RAISE(ABORT, '{APPEND_ONLY}')""",
}


class Sqlite(Database):
    """The file at `path`."""

    mark = "?"
    begin = ("BEGIN IMMEDIATE",)
    failures = (sqlite3.Error,)

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None

    @property
    def shown(self) -> str:
        return str(self.path)

    @property
    def is_new(self) -> bool:
        return not self.path.exists()

    def require(self) -> None:
        if not self.path.exists():
            raise MissingStageError(
                f"there is no record of answers at {self.path}: nothing was asked here yet, or "
                "MEDPIPE_AUDIT names another place"
            )

    def connect(self, *, create: bool) -> Connection:
        if not create:
            self.require()
        # Two processes that turn on the write-ahead log at once would find the file locked.
        with files.locked(self.path.with_name(f".{self.path.name}.lock")):
            connection = sqlite3.connect(
                self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
            # What somebody else wrote need not be UTF-8, and is still to be looked at.
            connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            if create:
                _make(connection)
        self._identity = self._found()
        return cast(Connection, connection)

    def beside(self, tables: Sequence[str]) -> Connection:
        # A file of its own: who writes here never keeps an answer's record waiting.
        path = self.path.with_name(BESIDE)
        with files.locked(path.with_name(f".{BESIDE}.lock")):
            connection = sqlite3.connect(
                path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            for table in tables:
                connection.execute(table.format(counter="INTEGER PRIMARY KEY AUTOINCREMENT"))
        return cast(Connection, connection)

    def is_in_place(self, connection: Connection) -> bool:
        # SQLite goes on writing into a file that was removed or exchanged under its hands.
        return self._identity is not None and self._found() == self._identity

    def missing_triggers(self, connection: Connection) -> list[str]:
        cursor = connection.cursor()
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        return sorted(set(_TRIGGERS) - {name for (name,) in cursor.fetchall()})

    def reason(self, error: Exception) -> str:
        return str(error)  # SQLite names tables and columns, no values

    def _found(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self.path)
        except OSError:
            return None
        return (status.st_dev, status.st_ino)


def _make(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    there = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (TABLE,)
    ).fetchone()
    if not there:
        connection.execute(f"CREATE TABLE {TABLE} ({columns('INTEGER', 'REAL')})")
        for name, rule in _TRIGGERS.items():
            connection.execute(f"CREATE TRIGGER {name} {rule}; END")
    connection.execute("COMMIT")
