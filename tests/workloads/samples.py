"""The sample of each workload, small, as its own source and reader give it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from medpipe import config, workloads
from medpipe.errors import UnreadableError
from medpipe.objectives import get
from medpipe.sources import cells

PATIENTS = 48


@cache
def rows(name: str) -> tuple[dict[str, Any], ...]:
    """Rows of raw of the sample, label included, without those that the cohort excludes."""
    workload = workloads.get(name)
    label = next(column for column in workload.columns if column.name == workload.label)
    found = []
    with TemporaryDirectory() as folder:
        workload.synthesise(Path(folder), patients=PATIENTS, seed=5)
        for number, item in enumerate(workload.source("sample", Path(folder), options={}).items()):
            payload = item.payload.read_bytes() if isinstance(item.payload, Path) else item.payload
            try:
                row = workload.read(payload, limits=config.parse({}, workload).ingest.model_dump())
            except UnreadableError:
                continue
            told = cells.label(item.label, label, where=f"item {number}")
            row |= {"example": f"e{number}", workload.label: told}
            if told is not None and workload.excluded(row) is None:
                found.append(row)
    return tuple(found)


@cache
def state(name: str) -> dict[str, Any]:
    """What the workload learned from all rows of the sample."""
    workload = workloads.get(name)
    return workload.fit(rows(name), config.parse({}, workload).preprocess)


def encoded(name: str, count: int) -> dict[str, np.ndarray]:
    """Inputs (count, …) by name."""
    workload = workloads.get(name)
    inputs = [workload.encode(row, state(name)) for row in rows(name)[:count]]
    return {key: np.stack([one[key] for one in inputs]) for key in inputs[0]}


def balanced(name: str, count: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Inputs and targets of `count` rows, both classes in equal parts as far as there are any."""
    workload = workloads.get(name)
    labels = np.array([row[workload.label] for row in rows(name)])
    order = np.concatenate([np.flatnonzero(labels == value)[: count // 2] for value in (0, 1)])
    inputs = encoded(name, len(labels))
    targets = get(workload.objective).targets(labels[order].tolist())
    return {key: array[order] for key, array in inputs.items()}, targets
