"""Evaluate, from ready and an ONNX file to a folder that is whole."""

import json
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper

from medpipe import files, tracking
from medpipe.artefact.exported import find
from medpipe.columns import COMMON, Column
from medpipe.config import EvaluateParams, Params, PruneParams, TrainParams
from medpipe.errors import DataError, MissingStageError
from medpipe.paths import Layout
from medpipe.serving.session import Judged
from medpipe.stages.evaluate import evaluate, judge
from medpipe.tables.raw import Raw
from medpipe.tables.ready import Writer, seal
from medpipe.workload import Picture, Section, Workload

RUN = "0" * 32
ROWS = {"train": 10, "val": 60, "test": 90, "external": 30}


class Mean(Workload):
    """Bright 4 × 4 squares are positive."""

    name = "mean"
    title = "Brightness of squares"
    intended_use = "Tests."
    not_for = "Anything else."
    columns = (
        *COMMON,
        Column("sex", "category", "invented", values=("F", "M"), subgroup=True),
        Column("bright", "int", "label", low=0, high=1),
        Column("image", "bytes", "16 grey levels", nullable=False),
    )
    label = "bright"
    objective = "binary"
    encode_params = Section
    model_params = Section

    def synthesise(self, folder, *, patients, seed):
        raise AssertionError("not asked for")

    def source(self, name, path, *, options):
        raise AssertionError("not asked for")

    def read(self, payload, *, limits):
        raise AssertionError("not asked for")

    def fit(self, rows, params):
        return {}

    def encode(self, row, state):
        return {"image": np.frombuffer(row["image"], np.uint8).reshape(1, 4, 4)}

    def model(self, params, state):
        raise AssertionError("evaluate needs no network")

    def perturb(self):
        return {"darker": lambda batch, rng: {"image": batch["image"] // 2}}

    def draw(self, row, explanation):
        assert explanation.shape == (4, 4)
        return Picture("image/png", b"\x89PNG" + row["image"])


def write_model(path: Path, *, slope: float = 0.05) -> None:
    """logit = slope · (mean − 128), distance = |mean − 128|; map = the image."""
    nodes = [
        helper.make_node("Cast", ["image"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=0),
        helper.make_node("Sub", ["mean", "half"], ["centred"]),
        helper.make_node("Mul", ["centred", "slope"], ["logit"]),
        helper.make_node("Abs", ["centred"], ["distance"]),
        helper.make_node("Squeeze", ["x", "channel"], ["map"]),
    ]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3]),
        helper.make_tensor("half", TensorProto.FLOAT, [], [128.0]),
        helper.make_tensor("slope", TensorProto.FLOAT, [], [slope]),
        helper.make_tensor("channel", TensorProto.INT64, [1], [1]),
    ]
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["B", 1, 4, 4])],
        [
            helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["B"]),
            helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["B"]),
            helper.make_tensor_value_info("map", TensorProto.FLOAT, ["B", 4, 4]),
        ],
        constants,
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)


def examples(split: str, count: int, rng: np.random.Generator) -> list[dict]:
    made = []
    for number in range(count):
        bright = int(rng.random() < 0.5)
        pixels = np.clip(rng.normal(108 + 40 * bright, 30, 16) + rng.normal(0, 12), 0, 255)
        made.append(
            {
                "example": f"{split}{number:03d}",
                "group": f"{split}-{number // 2}",
                "site": "a" if split != "external" else "b",
                "sex": "FM"[number % 2],
                "bright": bright,
                "image": pixels.astype(np.uint8).tobytes(),
            }
        )
    return made


def write_project(root: Path, **model: float) -> Layout:
    """Everything that the stages before evaluate leave behind."""
    layout, rng = Layout(root, "mean"), np.random.default_rng(0)
    rows = {split: examples(split, count, rng) for split, count in ROWS.items()}
    Raw(layout.raw, Mean.columns).append(row for side in rows.values() for row in side)
    layout.ready.mkdir(parents=True)
    frames = {
        side: pd.DataFrame(made).drop(columns="image").assign(label=[r["bright"] for r in made])
        for side, made in rows.items()
    }
    with Writer(layout.ready, frames.items()) as writer:
        for side, made in rows.items():
            for row in made:
                writer.add(side, Mean().encode(row, {}))
    counts = {s: {"examples": n, "groups": n // 2, "positives": n // 2} for s, n in ROWS.items()}
    receipt = {
        "digest": "f" * 64,
        "clean": True,
        "problems": [],
        "counts": counts,
        "left_out": {},
        "by": "group",
    }
    seal(layout.ready, state={}, receipt=receipt, params={})
    failed = [{"rule": "r1", "meaning": "m", "examples": 3}]
    files.write_json(layout.validation / "validation.json", {"passed": True, "failed": failed})
    layout.onnx.mkdir(parents=True)
    write_model(layout.onnx / "fp32.onnx", **model)
    entry = {"file": "fp32.onnx", "sha256": files.sha256(layout.onnx / "fp32.onnx")}
    files.write_json(layout.onnx / "artefact.json", {"variants": {"fp32": entry}, "run_id": RUN})
    files.write_json(layout.onnx / "parity.json", {"fp32": {"probability_p95": 0.0}})
    files.write_json(layout.weights / "run.json", {"run_id": RUN})
    files.write_json(layout.weights / "params.json", {"train": {"epochs": 1}})
    (layout.weights / "history.csv").write_text("epoch,loss\n0,0.5\n", encoding="utf-8")
    return layout


def add_unpruned(layout: Layout) -> None:
    """As if the network had been pruned: before, its logits were the same, negated."""
    path = layout.onnx / "unpruned.onnx"
    write_model(path, slope=-0.05)
    listed = json.loads((layout.onnx / "artefact.json").read_text())
    entry = {"file": path.name, "sha256": files.sha256(path)}
    files.write_json(layout.onnx / "artefact.json", {**listed, "unpruned": entry})


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Layout, dict]:
    layout = write_project(tmp_path_factory.mktemp("project"))
    add_unpruned(layout)
    prune = PruneParams(method="magnitude", amount=0.25)
    asked = EvaluateParams(resamples=100, latency_runs=5, explained=3)
    params = Params(evaluate=asked, train=TrainParams(prune=prune))
    return layout, evaluate(Mean(), params, layout)


def test_folder_holds_report_scores_page_and_plots(evaluated):
    layout, outcome = evaluated
    found = {p.relative_to(layout.evaluation).as_posix() for p in layout.evaluation.rglob("*.*")}
    drawn = ("roc", "pr", "calibration", "confusion", "decision_curve")
    plots = {f"plots/{name}.svg" for name in drawn} | {f"curves/{name}.csv" for name in drawn}
    files = {"report.json", "report.html", "metrics.json", "scores.parquet"}
    assert found == plots | files
    assert outcome["page"] == "reports/mean/evaluate/report.html"
    json.dumps(outcome, allow_nan=False)


def test_report_holds_what_architecture_promises(evaluated):
    report = json.loads(evaluated[0].report.read_text(encoding="utf-8"))
    assert report["run_id"] == RUN
    assert report["receipt"]["clean"] is True
    assert report["validation"] == {"passed": True, "failed": ["r1: m (3 examples)"]}
    assert {s: report["splits"][s]["examples"] for s in ("val", "test", "external")} == {
        "val": 60, "test": 90, "external": 30,
    }  # fmt: skip
    assert report["latency_ms"]["runs"] == 5
    assert [row["change"] for row in report["robustness"]] == ["darker"]
    assert report["params"]["evaluate"]["variant"] == "fp32"
    assert len(report["data"]["raw_version"]) == 64


def test_each_form_is_measured_against_the_network_before_it_was_pruned(evaluated):
    report = json.loads(evaluated[0].report.read_text(encoding="utf-8"))
    first, served = report["artefacts"]
    assert [first["variant"], served["variant"], served["served"]] == ["unpruned", "fp32", True]
    area = report["splits"]["test"]["metrics"]["auroc"]["value"]
    assert first["test"]["auroc"] == pytest.approx(1 - area)
    gain = served["test"]["gain"]
    assert gain["difference"] == pytest.approx(2 * area - 1)
    assert gain["low"] < gain["difference"] < gain["high"]
    page = (evaluated[0].evaluation / "report.html").read_text(encoding="utf-8")
    assert f'<td class="v">{gain["difference"]:.4f} ({gain["low"]:.4f} to' in page


def test_scores_are_those_of_the_artefact_and_the_answer_of_the_service(evaluated):
    layout, _ = evaluated
    report = json.loads(layout.report.read_text(encoding="utf-8"))
    scores = pd.read_parquet(layout.evaluation / "scores.parquet").set_index("example")
    rows = Raw(layout.raw, Mean.columns).rows(["image"], {"test007", "val003", "nobody"})
    assert set(rows) == {"test007", "val003"}
    for example, row in rows.items():
        logit = 0.05 * (np.frombuffer(row["image"], np.uint8).mean() - 128)
        assert scores.loc[example, "logit"] == pytest.approx(logit, abs=1e-5)
        risk = 1 / (1 + np.exp(-logit / report["calibration"]["temperature"]))
        assert scores.loc[example, "probability"] == pytest.approx(risk, abs=1e-6)


def test_threshold_is_chosen_on_val_alone(evaluated):
    report = json.loads(evaluated[0].report.read_text(encoding="utf-8"))
    assert report["splits"]["val"]["metrics"]["sensitivity"]["value"] >= 0.9
    scores = pd.read_parquet(evaluated[0].evaluation / "scores.parquet")
    assert report["threshold"]["value"] in set(scores[scores["split"] == "val"]["probability"])


def test_metrics_are_in_the_run(evaluated):
    layout, outcome = evaluated
    _, metrics = tracking.measured(layout, tracking.ensure_run(layout))
    assert metrics["test/auroc"] == pytest.approx(outcome["auroc"]["value"])
    assert metrics["test/auroc_low"] == pytest.approx(outcome["auroc"]["low"])


def test_page_draws_the_examples(evaluated):
    html = (evaluated[0].evaluation / "report.html").read_text(encoding="utf-8")
    assert html.count("data:image/png") == 3
    assert "Brightness of squares" in html


def test_another_file_than_export_wrote_is_refused(tmp_path):
    layout = write_project(tmp_path)
    write_model(layout.onnx / "fp32.onnx", slope=0.06)
    with pytest.raises(MissingStageError, match="not the file that export wrote"):
        find(layout, "fp32")


def test_variant_that_export_did_not_make_is_named(tmp_path):
    with pytest.raises(MissingStageError, match=r"no variant 'int8', only fp32.*export mean"):
        find(write_project(tmp_path), "int8")


def test_broken_artefact_leaves_the_earlier_report(tmp_path):
    layout = write_project(tmp_path, slope=float("nan"))
    files.write_json(layout.report, {"earlier": True})
    with pytest.raises(DataError, match="logits are not finite"):
        evaluate(Mean(), Params(), layout)
    assert json.loads(layout.report.read_text(encoding="utf-8")) == {"earlier": True}


def test_scoring_in_batches_is_scoring_all():
    class Sum:
        sizes: tuple[int, ...] = ()

        def judge(self, inputs):
            self.sizes += (len(inputs["x"]),)
            return Judged(inputs["x"].sum(axis=1), inputs["x"].max(axis=1))

    x = np.random.default_rng(0).normal(size=(150, 3))
    session = Sum()
    logits, distances, _ = judge(session, {"x": x}, 150)
    assert logits == pytest.approx(x.sum(axis=1))
    assert distances == pytest.approx(x.max(axis=1))
    assert session.sizes == (64, 64, 22)


class Listed(Mean):
    """The same question with the 16 grey levels as features for a baseline."""

    name = "mean"

    def features(self, inputs):
        return inputs["image"].reshape(len(inputs["image"]), -1).astype(np.float32)


def test_gradient_boosting_on_the_same_patients_is_in_the_report(tmp_path):
    layout = write_project(tmp_path)
    params = Params(evaluate=EvaluateParams(resamples=100, latency_runs=5, explained=0))
    evaluate(Listed(), params, layout)
    found = json.loads(layout.report.read_text(encoding="utf-8"))["baseline"]
    assert (found["examples"], found["features"]) == (10, 16)
    paired = found["difference"]["auroc"]
    assert paired["difference"] == pytest.approx(paired["model"] - paired["baseline"])
    assert found["external"]["auroc"]["value"] is not None
    written = json.loads((layout.evaluation / "metrics.json").read_text(encoding="utf-8"))
    assert written["baseline_auroc"] == round(found["metrics"]["auroc"]["value"], 4)


def test_images_have_no_baseline(evaluated):
    report = json.loads(evaluated[0].report.read_text(encoding="utf-8"))
    assert report["baseline"] is None


def test_ready_that_other_code_encoded_is_refused_and_what_to_run_is_said(tmp_path, monkeypatch):
    layout = write_project(tmp_path)
    encode = Mean.encode
    monkeypatch.setattr(
        Mean, "encode", lambda self, row, state: {"image": encode(self, row, state)["image"] // 2}
    )
    with pytest.raises(MissingStageError, match="medpipe stage preprocess mean"):
        evaluate(Mean(), Params(), layout)
    assert not layout.evaluation.exists()
