"""Validation of one and of ten million rows × 30 columns: seconds and peak memory.

The peers hold the same rules: pandera's lazy validation of the whole table, and a bare pandas check
that somebody writes in an hour (counts of what breaks each rule, no ids, no page). medpipe judges
with Great Expectations, part by part, keeps what it found of each part, and writes the page. Rows
with a fault: one in a thousand in one column. Each contender is a process of its own, its peak and
its processor's seconds, start and imports included, what the kernel counted; the files are in the
page cache. Making the rows is not counted. A peer that would need too much memory for the larger
table, by what it needed for the smaller one, is left out there.

    python bench/validate.py [--rows 1000000] [--times 10] [--most-gib 10]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import machine
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from medpipe import config
from medpipe.columns import COMMON, Column
from medpipe.paths import Layout
from medpipe.tables.raw import Raw
from medpipe.tables.schema import KEPT, schema
from medpipe.workload import Section, Workload

PART_ROWS = 100_000
FAULTY = 0.001
NUMBERS = tuple(
    Column(f"value_{n}", "float", "a laboratory value", "mmol/L", 0, 10, flagged=True)
    for n in range(12)
)
COUNTS = tuple(Column(f"count_{n}", "int", "of visits", low=0, high=50) for n in range(6))
CLASSES = tuple(
    Column(f"class_{n}", "category", "a code", values=("a", "b", "c", "d")) for n in range(6)
)
LABEL = Column("ill", "int", "label", low=0, high=1)


class Wide(Workload):
    """Thirty columns, and nothing to learn."""

    name, title, intended_use, not_for = "wide", "Thirty columns", "a bench", "anything else"
    columns = (*COMMON, *NUMBERS, *COUNTS, *CLASSES, LABEL)
    label = LABEL.name
    objective = "binary"
    encode_params = model_params = Section

    def synthesise(self, folder, *, patients, seed): ...  # type: ignore[no-untyped-def]
    def source(self, name, path, *, options): ...  # type: ignore[no-untyped-def]
    def read(self, payload, *, limits): ...  # type: ignore[no-untyped-def]
    def fit(self, rows, params): ...  # type: ignore[no-untyped-def]
    def encode(self, row, state): ...  # type: ignore[no-untyped-def]
    def model(self, params, state): ...  # type: ignore[no-untyped-def]
    def draw(self, row, explanation): ...  # type: ignore[no-untyped-def]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--times", type=int, default=10, help="how much larger the other is")
    arguments.add_argument("--most-gib", type=float, default=10, help="that a peer may take")
    arguments.add_argument("--run", nargs=2, metavar=("WHO", "ROOT"), help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.run:
        print(json.dumps(measured(*given.run)))
        return
    print("| validate | rows | s | CPU s | peak MiB | rows that break a rule |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        small, large = Path(name) / "small", Path(name) / "large"
        make(small, given.rows)
        peaks = {who: show(who, given.rows, small) for who in CONTENDERS}
        make(large, rows := given.rows * given.times)
        for who, peak_mib in peaks.items():
            needed_gib = peak_mib * given.times / 1024
            if who == "medpipe" or needed_gib <= given.most_gib:
                show(who, rows, large)
            else:
                print(f"| {who} | {rows:,} | left out: would need {needed_gib:.0f} GiB | | | |")
    print(f"\n{machine.line('pandas', 'great-expectations', 'pandera', 'pyarrow')}")


def show(who: str, rows: int, root: Path) -> float:
    """Print the line of `who`; the peak, in MiB."""
    command = [sys.executable, __file__, "--run", who, str(root)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = json.loads(output.splitlines()[-1])
    print(
        f"| {who} | {rows:,} | {found['s']:.1f} | {found['cpu_s']:.1f} | {found['mib']:.0f} | "
        f"{found['broken']:,} |",
        flush=True,
    )
    return float(found["mib"])


def measured(who: str, root: str) -> dict[str, float]:
    started = time.perf_counter()
    broken = CONTENDERS[who](Path(root))
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "s": time.perf_counter() - started,
        "cpu_s": used.ru_utime + used.ru_stime,
        "mib": used.ru_maxrss / 1024,
        "broken": broken,
    }


def by_medpipe(root: Path) -> int:
    from medpipe.stages.validate import validate

    outcome = validate(Wide(), config.parse({}, Wide()), Layout(root, "wide"))
    return sum(rule["examples"] for rule in outcome["failed"])


def by_pandera(root: Path) -> int:
    import pandera.pandas as pandera

    checks = {
        c.name: pandera.Column(
            checks=[pandera.Check.isin(c.values)]
            if c.values
            else [pandera.Check.in_range(c.low, c.high)],
            nullable=True,
        )
        for c in (*NUMBERS, *COUNTS, *CLASSES, LABEL)
    }
    checks["example"] = pandera.Column(unique=True, nullable=False)
    checks["group"] = pandera.Column(nullable=False)
    try:
        pandera.DataFrameSchema(checks).validate(_frame(root), lazy=True)
    except pandera.errors.SchemaErrors as error:
        return len(error.failure_cases)
    return 0


def by_pandas(root: Path) -> int:
    frame = _frame(root)
    broken = int(
        frame["example"].duplicated().sum() + frame[["example", "group"]].isna().sum().sum()
    )
    for column in (*NUMBERS, *COUNTS, *CLASSES, LABEL):
        values = frame[column.name].dropna()
        fits = (
            values.isin(column.values) if column.values else values.between(column.low, column.high)
        )
        broken += int((~fits).sum())
    return broken


CONTENDERS = {"medpipe": by_medpipe, "pandera": by_pandera, "bare pandas": by_pandas}


def _frame(root: Path) -> pd.DataFrame:
    names = [column.name for column in Wide.columns]
    parts = Raw(Layout(root, "wide").raw, Wide.columns).parts()
    return pd.concat([pd.read_parquet(part, columns=names) for part in parts], ignore_index=True)


def make(root: Path, rows: int) -> None:
    """Raw of `rows` rows, as ingest would have left it: parts, and a ledger that knows each row."""
    folder = Layout(root, "wide").raw
    folder.mkdir(parents=True)
    stored = schema((*Wide.columns, *KEPT))
    for number, start in enumerate(range(0, rows, PART_ROWS)):
        table = _part(number, start, min(PART_ROWS, rows - start), stored)
        pq.write_table(table, folder / f"part-{number:05d}.parquet", compression="zstd")
    _write_ledger(folder, len(Raw(folder, Wide.columns).parts()))


def _part(number: int, start: int, rows: int, stored: pa.Schema) -> pa.Table:
    rng = np.random.default_rng(number)
    values: dict[str, object] = {c.name: rng.uniform(0, 10, rows) for c in NUMBERS}
    values |= {c.name: rng.integers(0, 51, rows) for c in COUNTS}
    values |= {c.name: rng.choice(np.array(c.values), rows) for c in CLASSES}
    first = values[NUMBERS[0].name]
    assert isinstance(first, np.ndarray)
    first[rng.random(rows) < FAULTY] = 11.0
    names = [f"e_{n:012d}" for n in range(start, start + rows)]
    values |= {"example": names, "group": [f"g_{n // 3:012d}" for n in range(start, start + rows)]}
    values |= {"revision": names, "content": names, LABEL.name: rng.integers(0, 2, rows)}
    arrays = [
        pa.array(values[field.name], field.type)
        if field.name in values
        else pa.nulls(rows, field.type)
        for field in stored
    ]
    return pa.Table.from_arrays(arrays, schema=stored)


def _write_ledger(folder: Path, parts: int) -> None:
    kinds = pa.schema(
        [(name, pa.string()) for name in ("example", "revision", "content", "reason")]
    )
    with pq.ParquetWriter(
        folder / "ledger.parquet", kinds.with_metadata({b"parts": str(parts)}), compression="zstd"
    ) as writer:
        for names in _names(folder):
            nothing = pa.nulls(len(names), pa.string())
            writer.write_table(
                pa.Table.from_arrays(
                    [names, names, names, nothing],
                    schema=kinds.with_metadata({b"parts": str(parts)}),
                )
            )


def _names(folder: Path) -> Iterator[pa.Array]:
    for part in Raw(folder, Wide.columns).parts():
        yield pq.read_table(part, columns=["example"])["example"].combine_chunks()


if __name__ == "__main__":
    main()
