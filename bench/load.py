"""Minutes of load while workers are killed at random: what was answered is on record exactly once.

A real ``bentoml serve`` with several workers, clients that never rest, and a ``kill -9`` of one
worker every few seconds, whatever it is doing. A client notes the name of every answer that it got
whole; one that got none asks again until it has one. Afterwards ``medpipe audit verify`` must find
nothing, every answer that arrived must be on record once, no answer twice, and no client without an
answer. A record without a reader is right: the kill came between the two.

    python bench/load.py [--minutes 10] [--workers 2] [--clients 8]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import machine
import psutil
import serving

from medpipe.audit.place import Place
from medpipe.audit.sqlite import Sqlite

BETWEEN_KILLS_S = (1.0, 5.0)
PATIENCE_S = 20.0
"""Longest wait for one answer."""
PAUSE_S = 0.05
"""Of a client before it asks again: a worker is being started."""
FAILURES = (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError)
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--clients", type=int, default=8)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        told = {"MEDPIPE_WORKERS": str(given.workers)}
        with serving.served(serving.MEDPIPE, Path(folder), **told) as server:
            clients = Clients(server.port, [serving.form(server.kind.path, serving.png(128))])
            kills = asyncio.run(
                under_fire(server, clients, count=given.clients, seconds=60 * given.minutes)
            )
        found = verdict(server.audit, clients)
    found = {"minutes": given.minutes, "kills": kills, "failed": dict(clients.failed), **found}
    for name, value in found.items():
        print(f"{name:>13}  {value}")
    print(f"\n{machine.line('bentoml')}")
    if not found["sound"]:
        sys.exit(1)


@dataclass
class Clients:
    """They ask again and again, and note what they got.

    Parameters
    ----------
    requests : what they ask, in turn
    refusals : statuses that are right, beside 200

    Attributes
    ----------
    answered : names of the answers that arrived whole
    refused : how many were refused with such a status
    failed : why there was neither, and how often; asked again each time
    longest_s : from asking first to having an answer or a refusal
    """

    port: int
    requests: Sequence[bytes]
    refusals: frozenset[int] = frozenset()
    answered: list[str] = field(default_factory=list)
    refused: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0

    @contextlib.asynccontextmanager
    async def asking(self, count: int) -> AsyncIterator[None]:
        """`count` of them at work for the length of the block; the last answers are waited for."""
        self._over = False
        self._next = itertools.cycle(self.requests)
        tasks = [asyncio.create_task(self._one()) for _ in range(count)]
        try:
            yield
        finally:
            self._over = True
            await asyncio.gather(*tasks)

    async def _one(self) -> None:
        line: Line | None = None
        while not self._over:
            request, started, is_done = next(self._next), time.monotonic(), False
            while not is_done:
                try:
                    async with asyncio.timeout(PATIENCE_S):
                        line = line or await asyncio.open_connection("127.0.0.1", self.port)
                        is_done = self._noted(*await serving.exchange(*line, request))
                except FAILURES as error:
                    self.failed[type(error).__name__] += 1
                    if line is not None:
                        line[1].close()
                    line = None
                    await asyncio.sleep(PAUSE_S)
            self.longest_s = max(self.longest_s, time.monotonic() - started)
        if line is not None:
            line[1].close()

    @property
    def done(self) -> int:
        """Requests that were answered or refused."""
        return len(self.answered) + self.refused

    def _noted(self, status: int, body: bytes) -> bool:
        if status == 200:
            self.answered.append(json.loads(body)["answer_id"])
        elif status in self.refusals:
            self.refused += 1
        else:
            self.failed[f"status {status}"] += 1
            return False
        return True


async def under_fire(
    server: serving.Server, clients: Clients, *, count: int, seconds: float
) -> int:
    """Load for `seconds`, with a worker killed every few; how many that were."""
    kills, until = 0, time.monotonic() + seconds
    async with clients.asking(count):
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, random.uniform(*BETWEEN_KILLS_S)))
            if workers := server.process.children():  # none while the last one is replaced
                with contextlib.suppress(psutil.NoSuchProcess):
                    random.choice(workers).kill()
                    kills += 1
    return kills


def verdict(audit: Path, clients: Clients) -> dict[str, object]:
    """What the record in `audit` says of the answers that arrived."""
    verified = subprocess.run(
        [sys.executable, "-m", "medpipe.cli", "--root", str(audit.parent), "audit", "verify"],
        env={**os.environ, "MEDPIPE_AUDIT": f"sqlite:///{audit}"},
        capture_output=True,
        text=True,
        check=False,
    )
    place = Place(Sqlite(audit), audit)
    store = place.store(place.chain(create=False))
    store.open(create=False)
    recorded = Counter(record.answer_id for record in store.records() if record.status == 200)
    store.close()
    missing = sum(recorded[name] == 0 for name in clients.answered)
    twice = sum(count > 1 for count in recorded.values())
    again = len(clients.answered) - len(set(clients.answered))
    return {
        "answered": len(clients.answered),
        "on record": recorded.total(),
        "missing": missing,
        "twice": twice + again,
        "longest wait": f"{clients.longest_s:.1f} s",
        "verify": verified.stdout.strip() or verified.stderr.strip(),
        "sound": not (missing or twice or again or verified.returncode or not clients.answered),
    }


if __name__ == "__main__":
    main()
