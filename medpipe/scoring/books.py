"""A scoring's answers into the record of answers, and what was seen beside it, each once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from medpipe.audit import place as places
from medpipe.audit.chain import Chain
from medpipe.audit.record import Entry
from medpipe.audit.store import Store
from medpipe.monitoring import journal as journals
from medpipe.monitoring.journal import Journal, Seen

_AT_ONCE = 1000
"""Records in one transaction: a service that answers meanwhile waits for no more than these."""


class Books:
    """Where answers are put down; `Books.open` opens them."""

    def __init__(self, chain: Chain, store: Store, journal: Journal) -> None:
        self.chain = chain
        self._store, self._journal = store, journal

    @classmethod
    @contextmanager
    def open(cls, root: Path) -> Iterator[Books]:
        """Those of the project at `root`.

        Raises
        ------
        AuditError : they are out of reach, or not whole
        """
        place = places.at(root)
        chain = place.chain(create=True)
        store = place.store(chain)
        store.open()
        try:
            with journals.at(root) as journal:
                yield cls(chain, store, journal)
        finally:
            store.close()

    def put(self, entries: Sequence[Entry], seen: Sequence[Seen], *, are_new: bool) -> None:
        """Put both down, on the disk when this returns; what is there already is left as it is.

        Parameters
        ----------
        are_new : see `Store.append`

        Raises
        ------
        AuditError : they cannot be recorded; some of them may be
        """
        for start in range(0, len(entries), _AT_ONCE):
            self._store.append(entries[start : start + _AT_ONCE], are_new=are_new)
        self._journal.see(seen)
