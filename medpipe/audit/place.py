"""Where the record of answers lies, and the key that it is chained with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from medpipe import config, secret
from medpipe.audit.chain import Chain
from medpipe.audit.database import Database
from medpipe.audit.head import Head
from medpipe.audit.postgres import Postgres
from medpipe.audit.spool import Spool
from medpipe.audit.sqlite import Sqlite
from medpipe.audit.store import Store
from medpipe.errors import AuditError, DataError
from medpipe.paths import Home

VARIABLE = "MEDPIPE_AUDIT"
KEY_VARIABLE = "MEDPIPE_AUDIT_KEY"
KEY_FILE = "audit.key"
_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql", "postgresql+psycopg")


@dataclass(frozen=True)
class Place:
    """A database, and what lies in the folder that belongs to it.

    Parameters
    ----------
    stem : path that the names of head and spool begin with
    """

    database: Database
    stem: Path

    def chain(self, *, create: bool) -> Chain:
        """With the key of MEDPIPE_AUDIT_KEY, or of the file beside the database.

        Parameters
        ----------
        create : make a key where there is none and no record either

        Raises
        ------
        AuditError : there is no key, or it is damaged
        ParamsError, StorageError : see `secret.load`
        """
        lost = (
            "and without it no record of answers can be written or checked; copy the key file "
            f"back, or set {KEY_VARIABLE}. Before the first answer there is none"
        )
        try:
            key = secret.load(
                self.stem.parent / "keys" / KEY_FILE,
                variable=KEY_VARIABLE,
                absent=None if create and self.database.is_new else lost,
                damaged="restore it from its backup: without it no record can be checked",
            )
        except DataError as error:
            raise AuditError(str(error)) from None
        return Chain(key)

    def head(self, chain: Chain) -> Head:
        """What this machine has seen of the record."""
        return Head(self._beside("head"), chain)

    def spool(self, chain: Chain) -> Spool:
        """Where entries wait while the database is down."""
        return Spool(self._beside("spool"), chain)

    def store(self, chain: Chain) -> Store:
        """The records; not open yet."""
        return Store(self.database, chain, self.head(chain))

    def _beside(self, what: str) -> Path:
        return self.stem.with_name(f"{self.stem.name}.{what}")


@contextmanager
def reading(root: Path) -> Iterator[tuple[Chain, Store]]:
    """The record of the project at `root`, to be looked at.

    Raises
    ------
    AuditError, MissingStageError : it is out of reach, or there is none yet
    """
    place = at(root)
    place.database.require()  # first: where nothing was recorded there is no key either
    chain = _known_chain(place)
    store = place.store(chain)
    store.open(create=False)
    try:
        yield chain, store
    finally:
        store.close()


def _known_chain(place: Place) -> Chain:
    """That of a record that there is; raises as `reading` does."""
    try:
        return place.chain(create=False)
    except AuditError:
        # Of a database only a connection can tell whether anything is missed with the key.
        with suppress(*place.database.failures):
            place.database.connect(create=False).close()
        raise


def at(root: Path, *, keeps_files: bool = True) -> Place:
    """Where the project or bento at `root` writes: MEDPIPE_AUDIT, else ``.medpipe/audit.db``.

    Parameters
    ----------
    keeps_files : false in a bento, which is replaced as a whole, with all that was written into it

    Raises
    ------
    AuditError : MEDPIPE_AUDIT is no address that is known here, or is needed and not set
    """
    home = Home(root)
    address = config.environment(VARIABLE)
    if address is None and not keeps_files:
        raise AuditError(
            f"{VARIABLE} is not set: a bento keeps nothing that is written into it; name a "
            f"database, {_SQLITE}/volume/audit.db or postgresql+psycopg://…"
        )
    if address is None:
        return Place(Sqlite(home.audit_database), home.audit_database)
    if address.startswith(_SQLITE) and address.removeprefix(_SQLITE).startswith("/"):
        path = Path(address.removeprefix(_SQLITE))
        return Place(Sqlite(path), path)
    if urlsplit(address).scheme in _POSTGRES:
        # The same database has the same name here, whatever account is used.
        database = Postgres(address)
        named = sha256(database.shown.encode()).hexdigest()[:8]
        return Place(database, home.folder / f"audit-{named}")
    raise AuditError(
        f"{VARIABLE} is neither {_SQLITE}/absolute/path/audit.db nor "
        "postgresql+psycopg://account:password@host/database"
    )
