"""The record of answers in PostgreSQL: for several machines, or where backups are made of it.

The account of the service needs SELECT and INSERT on the table and nothing else, once the table is
there; whoever owns it can drop the triggers. docs/audit.md gives the statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from medpipe.audit.database import APPEND_ONLY, TABLE, Connection, Database, columns
from medpipe.errors import AuditError, MissingStageError

if TYPE_CHECKING:
    from types import ModuleType

_CONNECT_S = 3
_ANSWER_MS = 5000
"""How long a statement, or a peer that is gone, may take."""
_LOCK = 0x6D656470697065
"""Number of the advisory lock: the letters of medpipe."""
_FUNCTION = f"{TABLE}_append_only"
_TRIGGERS = {
    f"{TABLE}_no_update": f"BEFORE UPDATE OR DELETE ON {TABLE} FOR EACH ROW",
    f"{TABLE}_no_truncate": f"BEFORE TRUNCATE ON {TABLE} FOR EACH STATEMENT",
    f"{TABLE}_at_the_end": f"BEFORE INSERT ON {TABLE} FOR EACH ROW",
}
_RULE = f"""CREATE OR REPLACE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' AND NEW.sequence = (SELECT coalesce(max(sequence), 0) + 1 FROM {TABLE}) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION '{APPEND_ONLY}';
END $$"""
_SETTINGS = (
    f"SET statement_timeout = {_ANSWER_MS}",
    # A database may be set up to confirm what is not on its disk yet; not to us.
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') = 'off'",
)


class Postgres(Database):
    """The database that `address` names: ``postgresql+psycopg://user:password@host/name``."""

    mark = "%s"
    # Not LOCK TABLE, which needs more than INSERT; the lock goes with the transaction.
    begin = ("BEGIN", f"SELECT pg_advisory_xact_lock({_LOCK})")

    def __init__(self, address: str) -> None:
        self._address = address.replace("postgresql+psycopg://", "postgresql://", 1)

    @property
    def shown(self) -> str:
        parts = urlsplit(self._address)
        return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"

    is_new = True

    def require(self) -> None:
        """Only a connection can tell."""

    @cached_property
    def _driver(self) -> ModuleType:
        try:
            import psycopg  # delayed: a service with SQLite does not need it
        except ImportError:
            raise AuditError(
                "MEDPIPE_AUDIT names PostgreSQL, and psycopg is not installed: "
                "pip install psycopg psycopg-binary"
            ) from None
        return psycopg

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        return (self._driver.Error,)

    def connect(self, *, create: bool) -> Connection:
        connection = self._connected()
        if not _is_there(connection, TABLE):
            if not create:
                raise MissingStageError(
                    f"{self.shown} has no table {TABLE}: nothing was asked yet, or MEDPIPE_AUDIT "
                    "names another database"
                )
            self._make(connection)
        return connection

    def beside(self, tables: Sequence[str]) -> Connection:
        connection = self._connected()
        cursor = connection.cursor()
        for table in tables:
            # Asked first: even IF NOT EXISTS needs a right that the service's account lacks.
            if not _is_there(connection, table.split()[5]):
                cursor.execute(table.format(counter="BIGSERIAL PRIMARY KEY"))
        return connection

    def is_in_place(self, connection: Connection) -> bool:
        return True  # what the server has confirmed is where it looks for it

    def missing_triggers(self, connection: Connection) -> list[str]:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = to_regclass(%s) AND tgenabled <> 'D'",
            (TABLE,),
        )
        return sorted(set(_TRIGGERS) - {name for (name,) in cursor.fetchall()})

    def reason(self, error: Exception) -> str:
        # The driver's own text names host and account; what the server says of a value is a detail.
        said = getattr(getattr(error, "diag", None), "message_primary", None)
        return str(said) if said else f"PostgreSQL does not answer ({type(error).__name__})"

    def _connected(self) -> Connection:
        connection = cast(
            Connection,
            self._driver.connect(
                self._address,
                autocommit=True,
                connect_timeout=_CONNECT_S,
                application_name="medpipe audit",
                keepalives_idle=30,
                tcp_user_timeout=_ANSWER_MS,
            ),
        )
        cursor = connection.cursor()
        for setting in _SETTINGS:
            cursor.execute(setting)
        return connection

    def _make(self, connection: Connection) -> None:
        cursor = connection.cursor()
        for statement in self.begin:
            cursor.execute(statement)
        if not _is_there(connection, TABLE):  # another process may have been quicker
            cursor.execute(f"CREATE TABLE {TABLE} ({columns('BIGINT', 'DOUBLE PRECISION')})")
            cursor.execute(_RULE)
            for name, rule in _TRIGGERS.items():
                cursor.execute(f"CREATE TRIGGER {name} {rule} EXECUTE FUNCTION {_FUNCTION}()")
        cursor.execute("COMMIT")


def _is_there(connection: Connection, table: str) -> bool:
    cursor = connection.cursor()
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (table,))
    return bool(cursor.fetchall()[0][0])
