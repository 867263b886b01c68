"""Every answer and refusal into the record, before it leaves the house.

One thread per process writes: whatever waits while it is at the disk goes into its next transaction
together, so that a lone client waits for one flush of the disk, and 32 clients share one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from medpipe.audit import place as places
from medpipe.audit.chain import Chain
from medpipe.audit.place import Place
from medpipe.audit.record import START, Entry, Link
from medpipe.audit.spool import Spool
from medpipe.audit.store import Store
from medpipe.deidentify import pseudonym
from medpipe.deidentify.pseudonym import Pseudonyms
from medpipe.errors import AuditError, MedpipeError, StorageError
from medpipe.paths import Home
from medpipe.serving.batching import Batcher
from medpipe.serving.release import PACKAGED
from medpipe.serving.watch import Watch

RETRY_S = 1.0
"""Between attempts to reach a store that is down."""
HEAD_S = 60.0
"""Between two heads of the chain in the log."""
_BATCH_MAX = 512

_log = logging.getLogger(__name__)
Waiting = tuple[Entry, bool]
"""An entry, and whether it may be spooled."""


class Recorder:
    """Puts entries into the store, and says whether it can. Lives in one event loop.

    Parameters
    ----------
    place : says where; asked when the server starts, and again for as long as that fails
    site_key : what names of sites are made with; None: the key of the record

    Attributes
    ----------
    watch : for what was seen, once its answer is on record
    """

    def __init__(
        self, place: Callable[[], Place], site_key: Callable[[], bytes | None] = lambda: None
    ) -> None:
        self.place, self._site_key = place, site_key
        self.watch = Watch(place)
        self._sites: Pseudonyms | None = None
        self._chain: Chain | None = None
        self._store: Store | None = None
        self._spool: Spool | None = None
        self._end, self._told_at = START, 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")
        self._write = Batcher(self._written, executor=self._thread, batch_max=_BATCH_MAX)
        self.problem: AuditError | None = AuditError("the record of answers is being opened")

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Record for the length of the block; a store that is down is tried again and again."""
        await self._try_to_open()
        trying = asyncio.create_task(self._keep_open())
        try:
            async with self.watch.open():
                yield
        finally:
            trying.cancel()
            await asyncio.gather(trying, return_exceptions=True)
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
            self._thread.shutdown(wait=False)

    def check(self, *, may_spool: bool) -> Chain:
        """The chain that inputs are digested with.

        Raises
        ------
        AuditError : nothing can be recorded now, so nothing need be worked out either
        """
        if self._chain is None or (self.problem is not None and not may_spool):
            raise self.problem or AuditError("the record of answers has no key")
        return self._chain

    async def record(self, entry: Entry, *, may_spool: bool) -> None:
        """Put `entry` into the record, on the disk when this returns.

        Raises
        ------
        AuditError : it could not be recorded: the answer must not leave
        """
        if (problem := await self._write((entry, may_spool))) is not None:
            raise problem

    def site(self, stated: str | None) -> str | None:
        """The pseudonym of the site that a request states; None where there is none."""
        return None if stated is None or self._sites is None else self._sites("site", stated)

    def _written(self, waiting: Sequence[Waiting]) -> Sequence[AuditError | None]:
        """For each, None, or why it is not recorded. In the writing thread."""
        if self._store is not None:
            try:
                self._moved(self._store.append([entry for entry, _ in waiting]))
                return [None] * len(waiting)
            except AuditError as error:
                self._close()
                self._failed(error)
        return self._set_aside(waiting)

    def _set_aside(self, waiting: Sequence[Waiting]) -> Sequence[AuditError | None]:
        problem = self.problem
        entries = [entry for entry, may_spool in waiting if may_spool]
        if not entries or self._spool is None:
            return [problem] * len(waiting)
        try:
            self._spool.append(entries)
        except (OSError, StorageError) as error:
            failed = AuditError(f"{problem}; and the spool {self._spool.path} failed: {error}")
            self._failed(failed)
            return [failed] * len(waiting)
        return [None if may_spool else problem for _, may_spool in waiting]

    async def _keep_open(self) -> None:
        while True:
            await asyncio.sleep(RETRY_S)
            if self._store is None:
                await self._try_to_open()

    async def _try_to_open(self) -> None:
        # In a thread of its own: while a server is waited for, the writing thread may spool.
        try:
            store = await asyncio.to_thread(self._opened)
            await asyncio.get_running_loop().run_in_executor(self._thread, self._adopt, store)
        except (MedpipeError, OSError) as error:
            self._failed(error if isinstance(error, AuditError) else AuditError(str(error)))

    def _opened(self) -> Store:
        place = self.place()
        chain = place.chain(create=True)
        self._sites = Pseudonyms(self._site_key() or chain.key("site"))
        self._spool, self._chain = place.spool(chain), chain
        store = place.store(chain)
        store.open()
        return store

    def _adopt(self, store: Store) -> None:
        assert self._spool is not None
        try:
            if count := self._spool.drain(store.append):
                _log.info("%d answers that waited in the spool are recorded", count)
        except MedpipeError:
            store.close()
            raise
        self._store, self.problem, self._end = store, None, store.end
        self._tell()

    def _failed(self, error: AuditError) -> None:
        if self.problem is None or str(error) != str(self.problem):
            _log.error("%s", error)
        self.problem = error

    def _moved(self, end: Link) -> None:
        self._end = end
        if time.monotonic() - self._told_at >= HEAD_S:
            self._tell()

    def _tell(self) -> None:
        """Put the end into the log; kept elsewhere, it shows whether the record still has it."""
        self._told_at = time.monotonic()
        _log.info("audit head %s", self._end)

    def _close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()
            self._tell()


def at(root: Path) -> Recorder:
    """The recorder of the project or bento at `root`; see `medpipe.audit.place.at`."""
    is_bento = (root / PACKAGED).is_dir()
    return Recorder(
        lambda: places.at(root, keeps_files=not is_bento),
        lambda: pseudonym.key_at_hand(Home(root)),
    )
