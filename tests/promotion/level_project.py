"""The smallest project that can be promoted: one number per patient, and a line as its model."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import onnx
import pandas as pd
from onnx import TensorProto, helper

from medpipe import config, files, promotion
from medpipe.columns import COMMON, Column
from medpipe.evaluation import measures
from medpipe.evaluation.measures.binary import OperatingPoint
from medpipe.evaluation.report import report_for
from medpipe.evaluation.scored import Scored
from medpipe.paths import Layout
from medpipe.promotion import recalibration
from medpipe.serving.session import Session
from medpipe.tables.raw import Raw
from medpipe.workload import Section, Workload

PATIENTS = 60
RECEIPT = {
    **{"digest": "d", "clean": True, "problems": []},
    "counts": {"test": {"examples": PATIENTS, "groups": PATIENTS}},
}


class Level(Workload):
    """Is the level high? Encoded relative to what training saw as the middle."""

    name = "level"
    title = "A level"
    intended_use = "testing the gate"
    not_for = "anything else"
    columns = (
        *COMMON,
        Column("level", "float", "the signal"),
        Column("noise", "float", "no signal"),
        Column("high", "int", "the label"),
    )
    label = "high"
    objective = "binary"
    encode_params = Section
    model_params = Section

    def synthesise(self, folder, *, patients, seed):
        raise AssertionError("not used")

    def source(self, name, path, *, options):
        raise AssertionError("not used")

    def read(self, payload, *, limits):
        return json.loads(payload)

    def fit(self, rows, params):
        raise AssertionError("not used")

    def encode(self, row, state):
        return {"x": np.array([row["level"] - state["middle"], row["noise"]], np.float32)}

    def model(self, params, state):
        raise AssertionError("not used")

    def draw(self, row, explanation):
        raise AssertionError("not used")


def graph(weights: tuple[float, float]) -> onnx.ModelProto:
    """logit = w₀ · level + w₁ · noise, distance its size; the map is the input."""
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        [
            helper.make_node("Mul", ["x", "w"], ["weighted"]),
            helper.make_node("ReduceSum", ["weighted", "axis"], ["logit"], keepdims=0),
            helper.make_node("Abs", ["logit"], ["distance"]),
            helper.make_node("Unsqueeze", ["x", "axis"], ["map"]),
        ],
        "level",
        [value("x", TensorProto.FLOAT, ["B", 2])],
        [
            value("logit", TensorProto.FLOAT, ["B"]),
            value("distance", TensorProto.FLOAT, ["B"]),
            value("map", TensorProto.FLOAT, ["B", 1, 2]),
        ],
        [
            onnx.numpy_helper.from_array(np.array(weights, np.float32), "w"),
            onnx.numpy_helper.from_array(np.array([1]), "axis"),
        ],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


class Project:
    """The stages' outputs, written directly; `train` makes the next candidate."""

    def __init__(self, root):
        self.workload = Level()
        self.layout = Layout(root, "level")
        self.configure()

    def configure(self, **sections):
        """Parameters anew, with `sections` laid over those that every test begins with."""
        section = {"evaluate": {"resamples": 100}, "gate": {"ece_max": 1.0}, **sections}
        self.params = config.parse(section, self.workload)

    def ingest(self):
        rng = np.random.default_rng(0)
        self.rows = []
        self.arrive(
            [
                {
                    "example": f"e{number}",
                    "group": f"g{number}",
                    "level": number / PATIENTS + 0.1 * rng.standard_normal(),
                    "noise": rng.standard_normal(),
                    "high": int(number >= PATIENTS // 2),
                }
                for number in range(PATIENTS)
            ]
        )

    def arrive(self, rows):
        """`rows` come in, in a part of raw that is their own, and are tested on."""
        Raw(self.layout.raw, self.workload.columns).append(rows)
        self.rows += rows
        self.frame = pd.DataFrame(self.rows).assign(label=lambda each: each["high"])
        if "site" not in self.frame:
            self.frame["site"] = "s"
        # Of train, only its labels matter here.
        sides = {"train": self.frame, "test": self.frame}
        for side in ("train", "val", "test", "external"):
            (self.layout.ready / side).mkdir(parents=True, exist_ok=True)
            rows = sides.get(side, self.frame[:0])
            rows.to_parquet(self.layout.ready / side / "rows.parquet")

    def train(self, *weights, middle=0.5, threshold=0.5, run="0" * 32):
        """Weights, artefact and report of a model; `weights` are those of level and noise."""
        state = {"middle": middle}
        onnx_folder = self.layout.onnx
        onnx_folder.mkdir(parents=True, exist_ok=True)
        onnx.save(graph(weights), onnx_folder / "fp32.onnx")
        files.write_json(onnx_folder / "state.json", state)
        digest = files.sha256(onnx_folder / "fp32.onnx")
        variants = {"fp32": {"file": "fp32.onnx", "sha256": digest}}
        files.write_json(onnx_folder / "artefact.json", {"variants": variants, "run_id": run})
        files.write_json(self.layout.weights / "run.json", {"run_id": run})
        files.write_json(self.layout.weights / "params.json", {"train": {"epochs": 1}})
        (self.layout.weights / "history.csv").write_text("epoch,loss\n0,0.5\n1,0.25\n")
        self._evaluate(state, threshold, digest, run)

    def _evaluate(self, state, threshold, digest, run):
        encoded = [self.workload.encode(row, state)["x"] for row in self.rows]
        logits = Session(self.layout.onnx / "fp32.onnx", threads=1).score({"x": np.stack(encoded)})
        scored = Scored(self.frame, logits.astype(np.float64))
        point = OperatingPoint(1.0, threshold)
        report = {
            "workload": "level",
            "run_id": run,
            "variant": "fp32",
            "artefact_sha256": digest,
            "data": {
                "raw_version": "v",
                "commit": "c",
                "raw_parts": Raw(self.layout.raw, self.workload.columns).number,
            },
            "receipt": RECEIPT,
            "validation": {"passed": True, "failed": []},
            "parity": {"auroc_lost": 0.0, "probability_p95": 0.0},
            "latency_ms": {"p95": 1.0},
            "familiar": {"distance": 2.0, "share": 0.99},
            **report_for(
                self.workload,
                measures.of(self.workload),
                self.params.evaluate,
                {"test": scored},
                point,
            ),
        }
        files.write_json(self.layout.report, report)
        scores = pd.DataFrame(
            {"example": self.frame["example"], "split": "test", "logit": logits.astype(float)}
        )
        scores.to_parquet(self.layout.evaluation / "scores.parquet")

    def report(self):
        """report.json of the candidate."""
        return files.read_json(self.layout.report, made_by="train")

    def write_report(self, report):
        files.write_json(self.layout.report, report)

    def promote(self, **options):
        return promotion.promote(self.workload, self.params, self.layout, **options)

    def recalibrate(self, **options):
        return recalibration.recalibrate(self.workload, self.params, self.layout, **options)

    def answer(self, approved, version="1", approver="Dr. B", reason="looked", at=None):
        return promotion.approval.answer(
            self.layout,
            version,
            approved=approved,
            approver=approver,
            reason=reason,
            now=at or datetime.now(UTC),
        )

    def rollback(self, reason="too many alarms", approver="Dr. B"):
        return promotion.rollback(self.workload, self.layout, reason=reason, approver=approver)

    def status(self):
        return promotion.status(self.workload, self.layout)
