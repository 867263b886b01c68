"""What each answer was given to, into the journal: behind the answers, and never in their way.

An answer that is on record leaves whatever becomes of this: the journal may be locked by somebody
who reads it, or away. So it has a thread of its own, which puts down together what has gathered in
half a second; what it cannot put down is kept in memory, and tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from medpipe.audit.place import Place
from medpipe.errors import AuditError, MedpipeError
from medpipe.monitoring.journal import Journal, Seen

GATHER_S = 0.5
"""What a kill of the process can cost: answers of so long are on record, and were not seen."""
RETRY_S = 5.0
WAITING_MAX = 50_000
"""Kept while the journal is away, about 20 MB; of what comes after them nothing is seen."""
_AT_ONCE = 1000
_log = logging.getLogger(__name__)


class Watch:
    """Puts what was seen into the journal of `place`. Lives in one event loop.

    Parameters
    ----------
    place : says where; asked at the first answer, and again for as long as that fails
    """

    def __init__(self, place: Callable[[], Place]) -> None:
        self._place = place
        self._journal: Journal | None = None
        self._waiting: deque[Seen] = deque()
        self._dropped = 0
        self._problem: str | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="watch")
        self._working: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Write for the length of the block; at its end once more, whatever is waiting."""
        try:
            yield
        finally:
            if self._working is not None:
                self._working.cancel()
                await asyncio.gather(self._working, return_exceptions=True)
            while self._waiting and await self._written():
                pass
            if lost := len(self._waiting) + self._dropped:
                _log.error("of %d answers that are on record nothing is kept to be watched", lost)
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
            self._thread.shutdown(wait=False)

    def put(self, seen: Seen) -> None:
        """Have `seen` written soon."""
        if len(self._waiting) >= WAITING_MAX:
            self._dropped += 1
            return
        self._waiting.append(seen)
        if self._working is None:
            self._working = asyncio.create_task(self._work())

    async def _work(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(GATHER_S if self._problem is None else RETRY_S)
                await self._written()
        finally:
            self._working = None

    async def _written(self) -> bool:
        """Put down the next ones that wait; false where that failed."""
        some = list(islice(self._waiting, _AT_ONCE))
        loop = asyncio.get_running_loop()
        self._problem = await loop.run_in_executor(self._thread, self._write, some)
        if self._problem is not None:
            return False
        for _ in some:
            self._waiting.popleft()
        return True

    def _write(self, some: Sequence[Seen]) -> str | None:
        """None, or why it failed. In the writing thread; what is there already stays as it is."""
        try:
            if self._journal is None:
                self._journal = Journal(self._place().database)
            self._journal.see(some)
        except (MedpipeError, OSError) as error:
            if self._problem is None:
                _log.error("%s; answers go on, and what they were given to waits", error)
            self._close()
            return str(error)
        return None

    def _close(self) -> None:
        journal, self._journal = self._journal, None
        if journal is not None:
            with contextlib.suppress(AuditError):
                journal.close()
