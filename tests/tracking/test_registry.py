"""The registry: versions, aliases, tags and the files that are kept with them."""

from pathlib import Path

import mlflow.pyfunc
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from medpipe import tracking
from medpipe.errors import TrackingError
from medpipe.tracking import store


@pytest.fixture
def model(tmp_path):
    """logit = mean of x."""
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        [helper.make_node("ReduceMean", ["x", "axis"], ["logit"], keepdims=0)],
        "mean",
        [value("x", TensorProto.FLOAT, ["B", 2])],
        [value("logit", TensorProto.FLOAT, ["B"])],
        [onnx.numpy_helper.from_array(np.array([1]), "axis")],
    )
    path = tmp_path / "fp32.onnx"
    path.write_bytes(
        helper.make_model(
            made, opset_imports=[helper.make_opsetid("", 20)], ir_version=9
        ).SerializeToString()
    )
    return path


@pytest.fixture
def version(layout, model):
    with tracking.training_run(layout, "a", {}, {}) as run:
        pass
    return tracking.register(layout, run.id, model, {"medpipe.content": "abc"}, [])


def test_a_version_is_found_by_its_content(layout, version):
    assert version == "1"
    assert tracking.find(layout, "medpipe.content", "abc") == "1"
    assert tracking.find(layout, "medpipe.content", "abd") is None
    assert tracking.version_tags(layout, "1")["medpipe.content"] == "abc"


def test_mlflows_own_tools_can_serve_a_version(layout, version):
    place = store.client(layout).get_model_version("level", version).source
    loaded = mlflow.pyfunc.load_model(place)
    answer = loaded.predict({"x": np.array([[1, 3]], np.float32)})
    assert answer["logit"].tolist() == [2.0]
    assert "x" in str(loaded.metadata.signature.inputs)
    flavour = loaded.metadata.flavors["onnx"]
    assert flavour["providers"] == ["CPUExecutionProvider"]
    listed = Path(mlflow.pyfunc.get_model_dependencies(place, format="pip")).read_text()
    assert {line.partition("==")[0] for line in listed.split()} == {
        "mlflow", "numpy", "onnx", "onnxruntime"
    }  # fmt: skip


def test_aliases_are_set_moved_and_taken_away(layout, version, model):
    assert tracking.alias(layout, "champion") is None
    tracking.set_alias(layout, "champion", version)
    assert tracking.alias(layout, "champion") == version
    tracking.set_alias(layout, "champion", None)
    tracking.set_alias(layout, "champion", None)
    assert tracking.alias(layout, "champion") is None


def test_before_anything_is_registered_there_is_nothing(layout):
    assert tracking.find(layout, "medpipe.content", "abc") is None
    assert tracking.alias(layout, "champion") is None
    assert tracking.model_tag(layout, "medpipe.promotion") is None
    with pytest.raises(TrackingError, match="no version 1 of level"):
        tracking.version_tags(layout, "1")


def test_kept_files_come_back_with_the_models_own_bytes(layout, version, model, tmp_path):
    kept, back = tmp_path / "kept", tmp_path / "back"
    kept.mkdir()
    back.mkdir()
    (kept / "settings.json").write_text("{}")
    tracking.attach(layout, version, "r1", kept)
    tracking.download(layout, version, "r1", back)
    assert {path.name for path in back.iterdir()} == {"settings.json", "model.onnx"}
    assert (back / "model.onnx").read_bytes() == model.read_bytes()
    with pytest.raises(TrackingError):
        tracking.download(layout, version, "r2", back)


def test_tags_of_model_and_version(layout, version):
    tracking.set_model_tag(layout, "medpipe.promotion", "{}")
    tracking.tag_version(layout, version, {"medpipe.verdict": "refused"})
    assert tracking.model_tag(layout, "medpipe.promotion") == "{}"
    assert tracking.version_tags(layout, version)["medpipe.verdict"] == "refused"
