"""What the store asks of a database, and where SQLite and PostgreSQL differ."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Protocol

TABLE = "medpipe_audit"
APPEND_ONLY = "the record of answers is append-only"
"""What the triggers say when they refuse."""
_WRITTEN_AT_ONCE = 500
"""Rows of one statement; SQLite takes 32,766 values."""


class Cursor(Protocol):
    """Of the Python Database API, version 2.0 (PEP 249), as far as it is used here."""

    def execute(self, statement: str, values: Sequence[object] = ..., /) -> object: ...
    def fetchall(self) -> list[tuple[Any, ...]]: ...


class Connection(Protocol):
    """As above; in autocommit, so that `Database.begin` begins what it commits."""

    def cursor(self) -> Cursor: ...
    def close(self) -> None: ...


class Database(ABC):
    """One place that may hold the table."""

    mark: ClassVar[str]
    """Stands for a value in a statement."""
    begin: ClassVar[tuple[str, ...]]
    """Statements that begin a transaction in which no other process writes."""

    @property
    @abstractmethod
    def shown(self) -> str:
        """Its name as a message may hold it: without a password."""

    @property
    @abstractmethod
    def is_new(self) -> bool:
        """Whether it cannot hold a record yet; where only a connection can tell, true."""

    @abstractmethod
    def require(self) -> None:
        """Raise MissingStageError where it is plain, before any connection, that there is none."""

    @property
    @abstractmethod
    def failures(self) -> tuple[type[Exception], ...]:
        """What its driver raises."""

    @abstractmethod
    def connect(self, *, create: bool) -> Connection:
        """A connection to a place that has the table and its triggers.

        Parameters
        ----------
        create : make the table where there is none

        Raises
        ------
        MissingStageError : there is no table and none may be made
        """

    @abstractmethod
    def beside(self, tables: Sequence[str]) -> Connection:
        """A connection, in autocommit, to a place for what is not chained.

        Parameters
        ----------
        tables : ``CREATE TABLE IF NOT EXISTS`` statements, with ``{counter}`` where a column counts
            from 1 by itself
        """

    @abstractmethod
    def is_in_place(self, connection: Connection) -> bool:
        """Whether what was just written can be found under the database's name."""

    @abstractmethod
    def missing_triggers(self, connection: Connection) -> list[str]:
        """Which of the triggers that refuse changes are not in force."""

    @abstractmethod
    def reason(self, error: Exception) -> str:
        """What a failure means, in words that name no value."""


def columns(integer: str, real: str) -> str:
    """The table's columns, for ``CREATE TABLE``, with the database's words for two types."""
    return f"""
    sequence {integer} PRIMARY KEY,
    answer_id TEXT NOT NULL UNIQUE,
    at TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    standard TEXT NOT NULL,
    workload TEXT NOT NULL,
    version TEXT,
    certificate TEXT,
    input TEXT,
    status INTEGER NOT NULL,
    answer TEXT NOT NULL,
    latency_ms {real} NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
"""


def fetched(cursor: Cursor, statement: str, values: Sequence[object] = ()) -> Iterator[Any]:
    """The rows that `statement` finds."""
    cursor.execute(statement, values)
    yield from cursor.fetchall()


def inserted(
    cursor: Cursor, mark: str, into: str, rows: Sequence[Sequence[object]], conflict: str = ""
) -> None:
    """Put `rows` into the table and columns `into`.

    Many in one statement: for each, the lock of Python is let go and waited for again.
    """
    for start in range(0, len(rows), _WRITTEN_AT_ONCE):
        some = rows[start : start + _WRITTEN_AT_ONCE]
        marks = f"({', '.join([mark] * len(some[0]))})"
        statement = f"INSERT INTO {into} VALUES {', '.join([marks] * len(some))} {conflict}"
        cursor.execute(statement, [value for row in some for value in row])
