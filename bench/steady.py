"""Memory of the service over many requests: it must not grow with them.

One worker of a real ``bentoml serve``, clients that never rest, and after every tenth of all asked
the memory of all its processes, shared pages counted once (PSS). Asked are good films and bad ones,
with and without an explanation. What the first tenth takes is warm-up: allocators' pools, threads,
the model's arenas.

    python bench/steady.py [--requests 100000] [--clients 8]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import load
import machine
import psutil
import serving

ROWS = 10
FLAT = 1.05
"""The largest ratio of the last row to the first that counts as flat."""
REFUSALS = frozenset({400, 415, 422})
_MIB = 1 << 20


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--requests", type=int, default=100_000)
    arguments.add_argument("--clients", type=int, default=8)
    given = arguments.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        serving.served(serving.MEDPIPE, Path(folder)) as server,
    ):
        clients = load.Clients(server.port, mixed(server.kind.path), REFUSALS)
        rows = asyncio.run(watched(server, clients, count=given.clients, requests=given.requests))
    ratio = rows[-1] / rows[0]
    print(f"\nthe last row is {ratio:.3f} of the first: {'flat' if ratio <= FLAT else 'grows'}")
    print(f"{len(clients.answered)} answered, {clients.refused} refused, as they should be")
    print(f"failed: {dict(clients.failed) or 'none'}\n\n{machine.line('bentoml', 'onnxruntime')}")
    if ratio > FLAT or clients.failed:
        sys.exit(1)


def mixed(path: str) -> list[bytes]:
    """Twenty requests: good and bad, four of them with an explanation."""
    film, picture = serving.dicom(), serving.png(128)
    bad = [b"", b"not an image", film[:-1000], picture[:-100], picture[:40], film[132:]]
    explained = [serving.form(f"{path}?explain=true", each) for each in (film, picture) * 2]
    return [
        *explained,
        *(serving.form(path, each) for each in bad),
        *(serving.form(path, each) for each in (film, picture, picture, picture, film) * 2),
    ]


async def watched(
    server: serving.Server, clients: load.Clients, *, count: int, requests: int
) -> list[float]:
    """Print the table; the MiB of its rows."""
    rows: list[float] = []
    print("| requests | MiB | answers/s |")
    print("|---|---|---|")
    async with clients.asking(count):
        for row in range(1, ROWS + 1):
            before, started = clients.done, time.monotonic()
            while clients.done < requests * row / ROWS:
                await asyncio.sleep(0.05)
            rate = (clients.done - before) / (time.monotonic() - started)
            rows.append(memory_mib(server.process))
            print(f"| {clients.done} | {rows[-1]:.1f} | {rate:.0f} |", flush=True)
    return rows


def memory_mib(process: psutil.Process) -> float:
    """Of `process` and all below it; a page that several share counts once."""
    family = [process, *process.children(recursive=True)]
    return sum(each.memory_full_info().pss for each in family) / _MIB


if __name__ == "__main__":
    main()
