"""Rows of raw, as a release encodes them and answers: it may be years older than the code."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medpipe import files
from medpipe.paths import Layout
from medpipe.serving.session import Session
from medpipe.tables.raw import Raw
from medpipe.workload import Row, State, Workload

_BATCH = 64
Inputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Release:
    """What of a verified release folder is needed to ask it again."""

    settings: dict[str, Any]
    state: State
    session: Session

    @classmethod
    def of(cls, folder: Path) -> Release:
        """That in `folder`."""
        settings = files.read_json(folder / "settings.json", made_by="medpipe promote")
        state = files.read_json(folder / "state.json", made_by="medpipe promote")
        threads = settings["serve"]["threads"]
        return cls(settings, state, Session(folder / "model.onnx", threads=threads))


def encoded(
    workload: Workload, layout: Layout, examples: Collection[str], state: State
) -> Iterator[tuple[Sequence[Row], Inputs]]:
    """The rows called `examples` and their inputs, each (B, …); raw is streamed, not held."""
    wanted = set(examples)
    names = [column.name for column in workload.columns]
    for batch in Raw(layout.raw, workload.columns).batches(names, _BATCH):
        rows = [row for row in batch if row["example"] in wanted]
        if rows:
            found = [workload.encode(row, state) for row in rows]
            yield rows, {name: np.stack([one[name] for one in found]) for name in found[0]}
            wanted.difference_update(row["example"] for row in rows)
        if not wanted:
            return
