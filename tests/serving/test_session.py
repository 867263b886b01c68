"""ONNX Runtime around an artefact, on a graph worked by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from medpipe.errors import DataError, MissingStageError
from medpipe.serving.session import Session


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    """logit = mean of the pixels; distance the largest; map = pixels / 255."""
    nodes = [
        helper.make_node("Cast", ["image"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["x", "axes"], ["logit"], keepdims=0),
        helper.make_node("ReduceMax", ["x", "axes"], ["distance"], keepdims=0),
        helper.make_node("Div", ["x", "white"], ["map"]),
    ]
    pixels = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 2, 2])
    logit = helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["batch"])
    distance = helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["batch"])
    evidence = helper.make_tensor_value_info("map", TensorProto.FLOAT, ["batch", 2, 2])
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2]),
        helper.make_tensor("white", TensorProto.FLOAT, [], [255.0]),
    ]
    graph = helper.make_graph(nodes, "mean", [pixels], [logit, evidence, distance], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


IMAGES = np.array([[[0, 0], [0, 0]], [[0, 51], [102, 255]]], dtype=np.uint8)


def test_scores_and_maps_come_for_each_row(artefact: Path) -> None:
    session = Session(artefact, threads=1)
    assert session.inputs == ("image",)
    assert session.score({"image": IMAGES}).tolist() == [0, 102]
    logit, distance, directions, evidence = session.explain({"image": IMAGES})
    assert (logit.tolist(), distance.tolist()) == ([0, 102], [0, 255])
    assert directions.shape == (2, 0)  # this model was exported before models gave them
    judged = session.judge({"image": IMAGES})
    assert (judged.logit.tolist(), judged.distance.tolist()) == ([0, 102], [0, 255])
    assert evidence[1] == pytest.approx(np.array([[0, 0.2], [0.4, 1]]))


def test_a_model_from_before_distances_still_scores(artefact: Path) -> None:
    model = onnx.load(artefact)
    del model.graph.output[2]
    onnx.save(model, artefact)
    session = Session(artefact, threads=1)
    assert session.score({"image": IMAGES}).tolist() == [0, 102]
    assert not session.knows_distance


@pytest.mark.parametrize(
    "wrong",
    [{"picture": IMAGES}, {"image": IMAGES.astype(np.float32)}, {"image": IMAGES[:, :1]}, {}],
    ids=["name", "type", "shape", "missing"],
)
def test_inputs_that_do_not_fit_are_told_what_the_model_takes(
    artefact: Path, wrong: dict[str, np.ndarray]
) -> None:
    with pytest.raises(DataError, match=r"takes \{'image': \"tensor\(uint8\)"):
        Session(artefact, threads=1).score(wrong)


def test_a_missing_artefact_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(MissingStageError, match="run `medpipe stage export` first"):
        Session(tmp_path / "model.onnx")


@pytest.mark.parametrize("kept", [0, 100])
def test_an_artefact_that_is_cut_short_is_refused(artefact: Path, kept: int) -> None:
    artefact.write_bytes(artefact.read_bytes()[:kept])
    with pytest.raises(MissingStageError, match="is not a whole ONNX model"):
        Session(artefact)


def test_where_no_graphics_card_can_be_used_the_processor_computes(artefact: Path) -> None:
    here = onnxruntime.get_available_providers()
    if "CUDAExecutionProvider" in here:
        pytest.skip("this ONNX Runtime is built for graphics cards")
    assert Session(artefact, threads=1).providers == ("CPUExecutionProvider",)
