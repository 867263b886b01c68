"""Raw for a person's eyes: what is in it, counted, and a few examples as files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from medpipe import files
from medpipe.tables.ledger import Ledger
from medpipe.tables.raw import Raw
from medpipe.workload import Workload

_MIB = 1 << 20
_BATCH = 16
_SUFFIXES = ((b"\x89PNG", ".png"), (b"\xff\xd8\xff", ".jpg"))
_DICOM_PREFIX = slice(128, 132)


def show(raw: Raw, workload: Workload) -> dict[str, Any]:
    """Counts of what is in force: examples, groups, sites, labels, published sides, size.

    Where there are several labels, each is counted under its name.

    Raises
    ------
    MissingStageError : nothing was ingested yet
    """
    names = workload.label_columns
    frame = raw.frame(["example", "group", "site", "time", "published", *names])
    labels: dict[str, Any] = {name: _counted(frame[name]) for name in names}
    parts = raw.parts()
    refused = Counter(
        entry.reason.split(" of x_")[0]
        for entry in Ledger(raw.folder).load(parts).values()
        if entry.reason is not None
    )
    return {
        "workload": workload.name,
        "examples": len(frame),
        "groups": int(frame["group"].nunique()),
        "labels": labels if len(names) > 1 else labels[workload.label],
        "published": _counted(frame["published"]),
        "sites": _counted(frame["site"]),
        "quarantined": dict(refused.most_common()),
        "parts": len(parts),
        "mib": round(sum(part.stat().st_size for part in parts) / _MIB, 1),
        "version": raw.version(),
    }


def export(raw: Raw, workload: Workload, folder: Path, *, limit: int) -> dict[str, Any]:
    """Write the first `limit` examples into `folder`: a file per content, and ``examples.csv``.

    Files are named ``<example>.<column>`` with the suffix of what they hold; measurements of all
    series go into ``series.csv``, a row each.

    Raises
    ------
    MissingStageError : nothing was ingested yet
    StorageError : the folder cannot be written
    """
    blobs = [column.name for column in workload.columns if column.dtype == "bytes"]
    series = [column.name for column in workload.columns if column.dtype == "series"]
    measured: list[tuple[str, str, float, float]] = []
    names = [column.name for column in workload.columns]
    table: list[dict[str, Any]] = []
    written = 0
    with files.explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for batch in raw.batches(names, min(_BATCH, limit)):
            for row in batch[: limit - len(table)]:
                for name in blobs:
                    if (data := row.pop(name)) is not None:
                        (folder / f"{row['example']}.{name}{_suffix(data)}").write_bytes(data)
                        written += 1
                for name in series:
                    pairs = row.pop(name) or ()
                    measured += [(row["example"], name, hour, value) for hour, value in pairs]
                table.append(row)
            if len(table) >= limit:
                break
        pd.DataFrame(table).to_csv(folder / "examples.csv", index=False)
        if series:
            long = pd.DataFrame(measured, columns=["example", "variable", "hour", "value"])
            long.to_csv(folder / "series.csv", index=False)
    return {"folder": str(folder), "examples": len(table), "files": written}


def _counted(values: pd.Series[Any]) -> dict[str, int]:
    """Value → rows, the most frequent first; what is not known is counted as such."""
    counts = {str(value): int(n) for value, n in values.value_counts().items()}
    unknown = int(values.isna().sum())
    return counts | ({"not known": unknown} if unknown else {})


def _suffix(data: bytes) -> str:
    for start, suffix in _SUFFIXES:
        if data.startswith(start):
            return suffix
    return ".dcm" if data[_DICOM_PREFIX] == b"DICM" else ".bin"
