"""A question for every objective: a table of three numbers per patient, and what they say."""

from __future__ import annotations

import json
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from torch import nn

from medpipe import config, files, objectives, promotion
from medpipe.columns import COMMON, Column
from medpipe.paths import Layout
from medpipe.stages.evaluate import evaluate
from medpipe.stages.export import export
from medpipe.stages.preprocess import preprocess
from medpipe.stages.train import train
from medpipe.tables.raw import Raw
from medpipe.workload import Picture, Section, Workload

X = ("age", "pulse", "lactate")
LABELS = {
    "binary": (Column("ill", "int", "is ill", low=0, high=1),),
    "multiclass": (Column("course", "category", "the course", values=("well", "mild", "severe")),),
    "multilabel": tuple(Column(n, "int", n, low=0, high=1) for n in ("renal", "cardiac", "septic")),
    "regression": (Column("stay", "float", "length of stay", unit="days", low=0, high=200),),
}
FLOORS = {"regression": {"r2": 0.6}}
PATIENTS = 240


class Network(nn.Module):
    """Two layers; its map is the input's size."""

    def __init__(self, outputs):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, outputs))

    def forward(self, x):
        return self.layers(x)

    def explain(self, x):
        return self.layers(x), x.abs(), self.layers[0](x)


class Table(Workload):
    """Three numbers, and what they say."""

    title = "Three numbers"
    intended_use = not_for = "tests"
    payload = "record"
    example: ClassVar = {"age": 0.5, "pulse": 2.0, "lactate": 0.5}
    encode_params = model_params = Section

    def __init__(self, objective):
        labels = LABELS[objective]
        self.name = f"table_{objective}"
        self.objective, self.label = objective, labels[0].name
        self.labels = tuple(c.name for c in labels) if len(labels) > 1 else ()
        known = [Column(name, "float", name) for name in X]
        sex = Column("sex", "category", "sex", values=("F", "M"), subgroup=True)
        self.columns = (*COMMON, *known, sex, *labels)

    def fit(self, rows, params):
        return {}

    def encode(self, row, state):
        return {"x": np.array([row[name] for name in X], np.float32)}

    def features(self, inputs):
        return inputs["x"]

    def perturb(self):
        return {"no lactate": lambda batch, rng: {"x": batch["x"] * np.float32([1, 1, 0])}}

    def foreign(self):
        return {"another unit": lambda batch, rng: {"x": batch["x"] * np.float32(100)}}

    def model(self, params, state):
        return Network(objectives.of(self).outputs)

    def draw(self, row, explanation):
        return Picture("image/svg+xml", b"<svg/>")

    def synthesise(self, folder, *, patients, seed): ...
    def source(self, name, path, *, options): ...

    def read(self, payload, *, limits):
        return dict(payload)


def truth(objective, x, rng):
    """Labels by column of rows `x` (N, 3), with some noise."""
    signal = (
        x @ np.array([[1.5, 0, 0], [0, 1.5, 0], [0.5, 0.5, 1.5]]) + rng.normal(size=x.shape) / 2
    )
    if objective == "regression":
        return {"stay": 20 + 3 * signal[:, 2] + 2 * signal[:, 0]}
    if objective == "multiclass":
        return {"course": np.array(["well", "mild", "severe"])[signal.argmax(1)]}
    yes = (signal > 0.3).astype(int)
    if objective == "binary":
        return {"ill": yes[:, 0]}
    known = pd.DataFrame(yes, columns=["renal", "cardiac", "septic"]).astype("Int64")
    return known.mask(rng.random(yes.shape) < 0.2).to_dict("list")


def rows(objective):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2 * PATIENTS, 3))
    columns = truth(objective, x, rng)
    return [
        {"example": f"e{i:04d}", "group": f"g{i // 2:04d}", "site": "s", "sex": "FM"[i // 2 % 2]}
        | dict(zip(X, map(float, x[i]), strict=True))
        | {name: None if values[i] is pd.NA else values[i] for name, values in columns.items()}
        for i in range(2 * PATIENTS)
    ]


def run(root, objective):
    """Every stage after ingest and validate; gives the report."""
    workload = Table(objective)
    layout = Layout(root, workload.name)
    params = config.parse(
        {
            "train": {"epochs": 30, "batch_size": 32, "learning_rate": 0.01, "precision": "fp32"},
            "split": {"val": 0.25, "test": 0.3},
            "export": {"variants": ["fp32"]},
            "evaluate": {"resamples": 100, "latency_runs": 5, "explained": 4},
            "gate": policy(objective).model_dump(),
        },
        workload,
    )
    Raw(layout.raw, workload.columns).append(rows(objective))
    files.write_json(layout.validation / "validation.json", {"passed": True, "failed": []})
    torch.set_num_threads(1)
    for stage in (preprocess, train, export):
        stage(workload, params, layout)
    outcome = evaluate(workload, params, layout)
    promoted = promotion.promote(workload, params, layout)
    assert promoted["allowed"], promoted["reasons"]
    return workload, layout, outcome, json.loads(layout.report.read_text(encoding="utf-8"))


def policy(objective):
    main = "r2" if objective == "regression" else "auroc"
    return config.GateParams(
        floors=FLOORS.get(objective, {"auroc": 0.8}),
        margins={main: 0.02},
        subgroup_gap=0.5,
        ece_max=0.5,
        baseline_margin=0.2,
    )


def answered(workload, client, **record):
    found = client.post(f"/v1/{workload.name}", json={**workload.example, **record})
    assert found.status_code == 200, found.text
    return found.json()


def numbers(answer):
    """Every number in `answer`, by where it stands."""
    if isinstance(answer, dict):
        answer = list(answer.items())
    if isinstance(answer, (list, tuple)):
        return [number for each in answer for number in numbers(each)]
    return [float(answer)] if isinstance(answer, (int, float)) else []


def words(answer):
    """What is possible, of the answer or of each label."""
    each = answer.get("labels", [answer])
    return [one["possible"] for one in each if "possible" in one]
