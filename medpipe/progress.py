"""How far a long piece of work has come: one line of log every ten seconds."""

from __future__ import annotations

import logging
import time

_EVERY_S = 10.0
_log = logging.getLogger(__name__)


class Progress:
    """Counts `what`, and tells now and then how many there were, and how fast."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._start = self._last = time.monotonic()
        self._count = 0

    def add(self, count: int = 1) -> None:
        """So many more are done."""
        self._count += count
        now = time.monotonic()
        if now - self._last >= _EVERY_S:
            self._last = now
            rate = self._count / (now - self._start)
            _log.info("%d %s, %.0f/s", self._count, self._what, rate)
