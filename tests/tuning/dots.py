"""A tiny question for the tests of tuning: is the mean of four numbers above 0?

`python dots.py ROOT TRIALS` searches in a process of its own, to be killed.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import nn

from medpipe import config, files, tuning
from medpipe.columns import COMMON, Column
from medpipe.errors import ParamsError
from medpipe.paths import Layout
from medpipe.tables import ready
from medpipe.workload import Section, Workload


class Model(Section):
    width: int = Field(4, ge=1, le=64)
    dropout: float = Field(0.0, ge=0, lt=1)
    kind: str = "tanh"


class Dots(Workload):
    """`model` refuses a dropout with a width of 1, as architectures refuse what does not fit."""

    name = "dots"
    title = "Dots above nothing"
    intended_use = not_for = "tests"
    columns = (*COMMON, Column("above", "int", "label", low=0, high=1))
    label = "above"
    objective = "binary"
    encode_params = Section
    model_params = Model

    def model(self, params, state):
        if params.width == 1 and params.dropout:
            raise ParamsError("a width of 1 leaves nothing to drop")
        return nn.Sequential(
            nn.Linear(4, params.width),
            {"tanh": nn.Tanh(), "relu": nn.ReLU()}[params.kind],
            nn.Dropout(params.dropout),
            nn.Linear(params.width, 1),
        )

    def synthesise(self, folder, *, patients, seed): ...
    def source(self, name, path, *, options): ...
    def read(self, payload, *, limits): ...
    def fit(self, rows, params): ...
    def encode(self, row, state): ...
    def draw(self, row, explanation): ...


SPACE: dict[str, Any] = {
    "train.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "model.width": {"low": 2, "high": 16},
    "model.kind": {"choices": ["tanh", "relu"]},
}


DATABASES: list[Path] = []
"""An empty one of MLflow's, to be copied, where the tests have made it."""


def project(
    root: Path, *, digest: str = "r1", is_learnable: bool = True, **sections: Any
) -> Layout:
    """A project with ready, 64 training rows and 64 of val, and params.yaml."""
    layout, rng = Layout(root, "dots"), np.random.default_rng(3)
    counts = {"train": 64, "val": 64, "test": 8, "external": 8}
    values = {side: rng.normal(size=(n, 4)).astype(np.float32) for side, n in counts.items()}
    frames = {
        side: pd.DataFrame({"label": (x.mean(1) > 0) * is_learnable}, dtype=int)
        for side, x in values.items()
    }
    with files.new_folder(layout.ready) as folder:
        with ready.Writer(folder, frames.items()) as writer:
            for side, rows in values.items():
                for row in rows:
                    writer.add(side, {"x": row})
        ready.seal(folder, state={}, receipt={"digest": digest}, params={})
    for database in DATABASES:
        layout.home.folder.mkdir(exist_ok=True)
        shutil.copyfile(database, layout.home.tracking_database)
    train = {"epochs": 3, "batch_size": 16, "device": "cpu", "precision": "fp32", "threads": 1}
    content = {"tune": {"space": SPACE}} | sections
    content["train"] = train | content.get("train", {})
    (root / "params.yaml").write_text(json.dumps({"workloads": {"dots": content}}))
    return layout


def parts(layout: Layout) -> tuple[Workload, config.Params, Layout]:
    """What a search is given, from params.yaml as it stands."""
    return Dots(), config.load(layout.root, Dots()), layout


def search(layout: Layout, trials: int) -> dict[str, Any]:
    return tuning.tune(*parts(layout), trials=trials)


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    logging.getLogger("medpipe").setLevel(logging.INFO)
    torch.set_num_threads(1)
    search(Layout(Path(sys.argv[1]), "dots"), int(sys.argv[2]))
