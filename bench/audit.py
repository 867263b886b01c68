"""What it costs to have every answer on record: shared transactions against one for each answer.

Both sides write the same records into SQLite on the disk of the temporary folder, durable before
the next step: the recorder of the service, which takes whatever waits into one transaction, and the
same store with a transaction per record. p50 is what an answer waits for its record; of a lone
client's, nearly all is the disk's flush. Cells alternate.

    python bench/audit.py [--seconds 3] [--clients 1 8 32]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import machine

from medpipe.audit.place import Place
from medpipe.audit.record import Entry
from medpipe.audit.sqlite import Sqlite
from medpipe.serving.recorder import Recorder

Write = Callable[[Entry], Awaitable[object]]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=float, default=3, help="per cell [3]")
    arguments.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(Path(folder), clients=given.clients, seconds=given.seconds))
    print(f"\n{machine.line()}")


async def compare(folder: Path, *, clients: list[int], seconds: float) -> None:
    """Print the table, and what a record takes on the disk."""
    shared, single = (folder / name / "audit.db" for name in ("shared", "single"))
    recorder = Recorder(lambda: Place(Sqlite(shared), shared))
    store = Place(Sqlite(single), single)
    alone = store.store(store.chain(create=True))
    alone.open()

    async def together(entry: Entry) -> None:
        await recorder.record(entry, may_spool=False)

    queue = ThreadPoolExecutor(1)

    async def one_by_one(entry: Entry) -> None:
        await asyncio.get_running_loop().run_in_executor(queue, alone.append, [entry])

    print("| clients | transactions | records/s | p50 ms | p99 ms | CPU ms/record |")
    print("|---|---|---|---|---|---|")
    total = 0
    async with recorder.open():
        for count in clients:
            for name, write in (("shared", together), ("one each", one_by_one)):
                latencies, took_s, cpu_s = await load(write, clients=count, seconds=seconds)
                total += len(latencies) * (name == "shared")
                cuts = statistics.quantiles(latencies, n=100)
                figures = (cuts[49] * 1e3, cuts[98] * 1e3, 1e3 * cpu_s / len(latencies))
                rest = " | ".join(f"{figure:.2f}" for figure in figures)
                print(f"| {count} | {name} | {len(latencies) / took_s:.0f} | {rest} |", flush=True)
    print(f"\n{shared.stat().st_size / total:.0f} bytes a record, indexes included")


async def load(write: Write, *, clients: int, seconds: float) -> tuple[list[float], float, float]:
    """What `clients` that never rest see: seconds of each record; then all seconds, and CPU's."""
    latencies: list[float] = []
    started, cpu = time.perf_counter(), time.process_time()

    async def client() -> None:
        while (before := time.perf_counter()) < started + seconds:
            await write(entry())
            latencies.append(time.perf_counter() - before)

    await asyncio.gather(*(client() for _ in range(clients)))
    return latencies, time.perf_counter() - started, time.process_time() - cpu


def entry() -> Entry:
    """As an answer of a yes-or-no question leaves it."""
    return Entry(
        answer_id=str(uuid4()),
        at="2026-03-01T08:00:00.000+00:00",
        asked_by="key:ward 3",
        standard="http",
        workload="chest_xray",
        version="3",
        certificate="c" * 64,
        input="1" * 64,
        status=200,
        answer='{"decision":true,"probability":0.91,"risk":0.7685247834990178,"threshold":0.42}',
        latency_ms=6.25,
    )


if __name__ == "__main__":
    main()
