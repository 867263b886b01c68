"""From ready to a served graph, with a tiny workload."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import pandas as pd
import pytest
from safetensors.torch import load_file, save_file
from torch import nn

from medpipe import config, files
from medpipe import nn as networks
from medpipe.columns import COMMON, Column
from medpipe.config import Params, TrainParams
from medpipe.errors import DataError, MissingStageError, ParamsError
from medpipe.paths import Layout
from medpipe.serving.session import Session
from medpipe.stages.export import _check, export
from medpipe.stages.train import train
from medpipe.tables import ready
from medpipe.workload import Row, Section, Source, State, Workload

SIZE = 16


class Nothing(Section):
    """No parameters."""


class Squares(Workload):
    """Is there a bright square?"""

    name = "squares"
    title = "Squares"
    intended_use = "tests"
    not_for = "patients"
    columns: ClassVar[tuple[Column, ...]] = COMMON
    label = "square"
    objective = "binary"
    encode_params = Nothing
    model_params = networks.ImageModel

    def synthesise(self, folder: Path, *, patients: int, seed: int) -> None: ...

    def source(self, name: str, path: Path, *, options: Mapping[str, Any]) -> Source:
        raise ParamsError("no sources")

    def read(self, payload: bytes | Row, *, limits: Mapping[str, Any]) -> dict[str, Any]:
        return {}

    def fit(self, rows: Iterable[Row], params: Any) -> State:
        return {}

    def encode(self, row: Row, state: State) -> dict[str, np.ndarray]:
        return {}

    def model(self, params: Any, state: State) -> nn.Module:
        return networks.build(
            params, channels=1, outputs=1, size_px=SIZE, mean=state["mean"], std=state["std"]
        )

    def draw(self, row: Row, explanation: np.ndarray) -> bytes:
        return b""


def prepare(root: Path, *, val: int = 16, seed: int = 0) -> Layout:
    """A folder of ready with 48 training rows, every other one with a square."""
    layout, rng = Layout(root, "squares"), np.random.default_rng(seed)
    counts = {"train": 48, "val": val, "test": 0, "external": 0}
    frames = {
        side: pd.DataFrame({"example": [f"{side}{i}" for i in range(n)], "label": np.arange(n) % 2})
        for side, n in counts.items()
    }
    with files.new_folder(layout.ready) as folder:
        with ready.Writer(folder, frames.items()) as writer:
            for side, frame in frames.items():
                for label in frame["label"]:
                    image = rng.integers(0, 120, (1, SIZE, SIZE), dtype=np.uint8)
                    image[:, 4:8, 4:8] += np.uint8(100 * label)
                    writer.add(side, {"image": image})
        state = {"mean": 70.0, "std": 40.0}
        ready.seal(folder, state=state, receipt={"digest": "r1"}, params={"size_px": SIZE})
    return layout


def params(**train_keys: Any) -> Params:
    keys = {"epochs": 4, "batch_size": 16, "device": "cpu", "precision": "fp32"} | train_keys
    model = networks.ImageModel(architecture="small_cnn", width=8)
    return Params(model=model, train=TrainParams(**keys), preprocess=Nothing())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    layout = prepare(tmp_path_factory.mktemp("project"))
    train(Squares(), params(learning_rate=0.01), layout)
    return layout


@pytest.fixture(scope="module")
def exported(trained: Layout) -> Layout:
    export(Squares(), params(learning_rate=0.01), trained)
    return trained


def test_train_writes_everything_that_describes_the_weights(trained: Layout) -> None:
    names = {path.name for path in trained.weights.iterdir()}
    assert names == {"weights.safetensors", "history.csv", "model.json", "run.json", "params.json"}
    described = json.loads((trained.weights / "model.json").read_text())
    assert described["state"] == {"mean": 70.0, "std": 40.0}
    assert described["inputs"] == {"image": {"shape": [1, SIZE, SIZE], "dtype": "uint8"}}
    assert described["model"]["architecture"] == "small_cnn"
    weights = load_file(trained.weights / "weights.safetensors")
    learned = [w for name, w in weights.items() if not name.startswith("normalise")]
    running = sum(w.numel() for name, w in weights.items() if "running" in name or "num_" in name)
    assert described["parameters"] == sum(w.numel() for w in learned) - running


def test_loss_and_score_are_drawn_with_the_epoch_that_was_kept(trained: Layout) -> None:
    drawn = {path.name: path.read_text("utf-8") for path in trained.training.iterdir()}
    assert set(drawn) == {"loss.svg", "score.svg"}
    assert all(word in drawn["loss.svg"] for word in (">train<", ">val<", ">kept<", ">Epoch<"))
    assert ">auroc<" in drawn["score.svg"]


def test_history_has_a_line_for_each_epoch(trained: Layout) -> None:
    with (trained.weights / "history.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["epoch"] for line in lines] == ["1", "2", "3", "4"]
    assert {"loss", "val_loss", "val_auroc", "learning_rate"} <= lines[0].keys()
    assert float(lines[3]["val_auroc"]) > 0.9


def test_a_finished_training_leaves_no_checkpoints(trained: Layout) -> None:
    assert list(trained.checkpoints.glob("*")) == []


def test_mlflow_holds_parameters_and_figures_of_each_epoch(trained: Layout) -> None:
    from medpipe import tracking

    run_id = json.loads((trained.weights / "run.json").read_text())["run_id"]
    values, metrics = tracking.measured(trained, run_id)
    assert values["train.learning_rate"] == "0.01"
    assert metrics["val_auroc"] > 0.9


def test_a_killed_training_goes_on_in_the_same_mlflow_run(
    tmp_path: Path, trained: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = prepare(tmp_path)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(files, "new_folder", _interrupted)
        train(Squares(), params(learning_rate=0.01), layout)
    (note,) = layout.checkpoints.glob("*/run.json")
    earlier = json.loads(note.read_text())["run_id"]
    assert not layout.weights.exists()
    outcome = train(Squares(), params(learning_rate=0.01), layout)
    assert outcome["run_id"] == earlier
    assert outcome["resumed_after"] == 4
    same = (trained.weights / "weights.safetensors").read_bytes()
    assert (layout.weights / "weights.safetensors").read_bytes() == same


def _interrupted(path: Path) -> Any:
    raise KeyboardInterrupt


def test_train_without_validation_rows_says_what_to_change(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="val has no rows; add patients, or change section split"):
        train(Squares(), params(), prepare(tmp_path, val=0))


def test_train_before_preprocess_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(MissingStageError, match="medpipe stage preprocess squares"):
        train(Squares(), params(), Layout(tmp_path, "squares"))


def test_export_makes_both_variants_with_their_digests(exported: Layout) -> None:
    described = json.loads((exported.onnx / "artefact.json").read_text())
    assert list(described["variants"]) == ["fp32", "int8"]
    for entry in described["variants"].values():
        assert entry["sha256"] == files.sha256(exported.onnx / entry["file"])
    assert described["outputs"] == ["logit", "map", "distance", "directions"]
    names = {path.name for path in exported.onnx.iterdir()}
    assert names == {"fp32.onnx", "int8.onnx", "artefact.json", "parity.json", "state.json"}


def test_parity_is_exact_for_fp32_and_close_for_int8(exported: Layout) -> None:
    parity = json.loads((exported.onnx / "parity.json").read_text())
    assert parity["fp32"]["probability_max"] < 1e-5
    assert parity["fp32"]["auroc_lost"] == 0
    assert 0 < parity["int8"]["probability_p95"] < 0.05
    assert parity["int8"]["examples"] == 16


@pytest.mark.parametrize("variant", ["fp32", "int8"])
def test_the_artefact_takes_pixels_in_batches_of_any_size(exported: Layout, variant: str) -> None:
    session = Session(exported.onnx / f"{variant}.onnx", threads=1)
    images = np.asarray(ready.Ready(exported.ready).arrays("val")["image"])
    logit, far, along, evidence = session.explain({"image": images[:5]})
    assert session.inputs == ("image",)
    assert logit.shape == (5,)
    assert 0 < along.shape[1] <= 16
    assert evidence.shape == (5, 2, 2)
    assert 0 <= evidence.min() <= evidence.max() <= 1
    one = [session.score({"image": images[i : i + 1]})[0] for i in range(5)]
    assert np.allclose(one, logit, atol=1e-5)
    assert np.allclose(session.judge({"image": images[:1]}).distance, far[:1], rtol=1e-4)


@pytest.mark.parametrize("variant", ["fp32", "int8"])
def test_the_artefact_does_not_say_where_it_was_made(exported: Layout, variant: str) -> None:
    data = (exported.onnx / f"{variant}.onnx").read_bytes()
    assert b".py" not in data
    assert bytes(Path(__file__).parents[2]) not in data


def test_int8_weights_are_bytes_on_the_path_to_the_logit(exported: Layout) -> None:
    model = onnx.load(exported.onnx / "int8.onnx")
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    convolutions = [node.input[1] for node in model.graph.node if node.op_type == "Conv"]
    made_by = {node.output[0]: node for node in model.graph.node}
    stored = [kinds[made_by[name].input[0]] for name in convolutions]
    assert stored == [onnx.TensorProto.INT8] * 3


def test_export_refuses_an_artefact_that_disagrees() -> None:
    _check({"probability_max": 0.0009, "examples": 16})
    for difference in (0.0011, float("nan")):
        with pytest.raises(DataError, match=r"differs from the network by .* limit is 0\.001"):
            _check({"probability_max": difference, "examples": 16})


def test_export_refuses_weights_of_another_network(trained: Layout, tmp_path: Path) -> None:
    layout = Layout(tmp_path, "squares")
    layout.weights.mkdir(parents=True)
    files.write_json(layout.weights / "model.json", {"state": {"mean": 1.0, "std": 1.0}})
    save_file({}, layout.weights / "weights.safetensors")
    with pytest.raises(MissingStageError, match=r"section model of params\.yaml"):
        export(Squares(), params(), layout)


def test_effective_parameters_are_beside_the_weights(trained: Layout) -> None:
    saved = json.loads((trained.weights / "params.json").read_text())
    assert saved == config.effective(params(learning_rate=0.01))
