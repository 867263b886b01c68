"""`medpipe score` against a bare loop around ONNX Runtime: examples a second, and peak memory.

Both read, encode and score the same source by the same functions, in batches of the same size, with
one session of the same options, and write a Parquet file. medpipe also gives each answer a name,
keeps what is done so far, and puts every answer into the hash-chained record; the bare loop forgets
all that: its file has a risk for each example. Each contender is a process of its own; its start
and imports are left out, its peak is what the kernel counted. They take turns.

    python bench/score.py [--films 2000] [--encounters 20000] [--rounds 3] [--times 5]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import machine
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medpipe import config, files, workloads
from medpipe.errors import UnreadableError
from medpipe.paths import Layout
from medpipe.scoring import batch, score
from medpipe.serving import session
from medpipe.workload import Item, Row, Workload

ROOT = Path(__file__).resolve().parents[1]
CONTENDERS = ("medpipe score", "bare loop")
ROWS_AT_FIRST = 40
"""Of the source, that an encoder is fitted on."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--films", type=int, default=2000, help="of the sample [2000]")
    arguments.add_argument("--encounters", type=int, default=20_000, help="of the sample [20000]")
    arguments.add_argument("--rounds", type=int, default=3, help="of each contender [3]")
    arguments.add_argument(
        "--times", type=int, default=5, help="how much larger memory's source is"
    )
    arguments.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments.add_argument("--make", nargs=3, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.make:
        make_project(Path(given.make[0]), given.make[1], int(given.make[2]))
        return
    if given.one:
        print(json.dumps(measured(*given.one)))
        return
    print("| source | examples | contender | examples/s | peak MiB | medpipe is |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for workload, count in (("chest_xray", given.films), ("readmission", given.encounters)):
            compare(made(Path(name) / workload, workload, count), workload, given.rounds)
        compare(made(Path(name) / "large", workload, given.encounters * given.times), workload, 1)
    print(f"\n{machine.line('onnxruntime', 'pyarrow', 'pydantic')}")


def compare(project: Path, workload: str, rounds: int) -> None:
    """Print the rows of one source."""
    found: dict[str, list[dict[str, float]]] = {contender: [] for contender in CONTENDERS}
    for _ in range(rounds):
        for contender in CONTENDERS:
            command = [sys.executable, __file__, "--one", contender, str(project), workload]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found[contender].append(json.loads(done.stdout))
    rates = {
        contender: statistics.median(each["examples"] / each["s"] for each in runs)
        for contender, runs in found.items()
    }
    for contender, runs in found.items():
        ours = rates[CONTENDERS[0]] / rates[contender]
        peak = max(each["peak_mib"] for each in runs)
        print(
            f"| {workload} | {runs[0]['examples']:.0f} | {contender} | {rates[contender]:.0f} | "
            f"{peak:.0f} | {ours:.2f} × |",
            flush=True,
        )


def measured(contender: str, project: str, workload: str) -> dict[str, float]:
    """Examples, seconds and peak_mib of one run in this process."""
    root = Path(project)
    os.environ |= json.loads((root / "environment.json").read_text())
    run = scored if contender == CONTENDERS[0] else looped
    started = time.perf_counter()
    examples = run(root, workloads.get(workload))
    took = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"examples": examples, "s": took, "peak_mib": peak}


def scored(root: Path, workload: Workload) -> int:
    """By medpipe."""
    for done in root.glob("out*.parquet"):
        done.unlink()
    made = score(
        workload,
        config.load(root, workload),
        Layout(root, workload.name),
        path=root / "source",
        out=root / "out.parquet",
    )
    return int(made["examples"])


def looped(root: Path, workload: Workload) -> int:
    """By what a careful person writes in an hour."""
    release = Layout(root, workload.name).champion
    state = json.loads((release / "state.json").read_text())
    settings = json.loads((release / "settings.json").read_text())
    model = session.Session(release / "model.onnx")
    size = batch.RECORDS_AT_ONCE if workload.payload == "record" else settings["serve"]["batch_max"]
    encoded = requests(workload, root / "source", state, settings["limits"])
    risks: list[float] = []
    while inputs := list(islice(encoded, size)):
        stacked = {name: np.stack([each[name] for each in inputs]) for name in inputs[0]}
        risks += (1 / (1 + np.exp(-model.score(stacked)))).tolist()
    pq.write_table(pa.table({"risk": risks}), root / "bare.parquet")
    return len(risks)


def requests(
    workload: Workload, source: Path, state: dict[str, Any], limits: dict[str, Any]
) -> Iterator[dict[str, np.ndarray]]:
    """What the model is given of each example that can be read, and asked of."""
    for item in workload.source("sample", source, options={}).items():
        try:
            row, inputs = workload.request(_content(item), state, limits=limits)
        except UnreadableError:
            continue
        if workload.excluded(row) is None:
            yield inputs


def rows(workload: Workload, source: Path) -> Iterator[Row]:
    """Of each example that can be read."""
    limits = config.load(ROOT, workload).ingest.model_dump(mode="json")
    for item in workload.source("sample", source, options={}).items():
        with contextlib.suppress(UnreadableError):
            yield workload.read(_content(item), limits=limits)


def _content(item: Item) -> Any:
    return item.payload.read_bytes() if isinstance(item.payload, Path) else item.payload


def made(root: Path, name: str, examples: int) -> Path:
    """`make_project` in a process of its own: a child's peak counts its parent's memory."""
    command = [sys.executable, __file__, "--make", str(root), name, str(examples)]
    subprocess.run(command, check=True)
    return root


def make_project(root: Path, name: str, examples: int) -> None:
    """A project whose champion is an untrained network, and a source of about so many examples.

    A trained one would be exactly as fast.
    """
    import serving  # delayed: it brings what neither contender needs

    workload, source = workloads.get(name), root / "source"
    source.mkdir(parents=True)
    per_patient = 3 if workload.payload == "file" else 2
    workload.synthesise(source, patients=max(10, examples // per_patient), seed=1)
    (root / "params.yaml").write_text(f"workloads: {{{name}: {{}}}}\n")
    readable = rows(workload, source)
    trusted = serving.make_release(
        Layout(root, name).champion, name=name, rows=list(islice(readable, ROWS_AT_FIRST))
    )
    environment = {"MEDPIPE_TRUSTED_KEYS": trusted, "MEDPIPE_AUDIT_KEY": "bench" * 8}
    files.write_json(root / "environment.json", environment)


if __name__ == "__main__":
    main()
