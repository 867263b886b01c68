"""Half precision: smaller, as good, and refused where it cannot hold the network."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from medpipe import nn as networks
from medpipe.artefact import distance, fp16, graph
from medpipe.errors import DataError
from medpipe.serving.session import Session

SIZE = 32


@pytest.fixture(scope="module", params=["small_cnn", "resnet18"])
def made(request, tmp_path_factory):
    """Folder with fp32.onnx and fp16.onnx, and 16 images."""
    torch.manual_seed(0)
    model = networks.ImageModel(architecture=request.param, width=8)
    network = networks.build(model, channels=1, outputs=1, size_px=SIZE, mean=100.0, std=50.0)
    images = np.random.default_rng(0).integers(0, 256, (16, 1, SIZE, SIZE), dtype=np.uint8)
    folder, rows = tmp_path_factory.mktemp(request.param), {"image": images}
    graph.export(network.eval(), rows, folder / "fp32.onnx")
    fp16.halve(folder / "fp32.onnx", folder / "fp16.onnx")
    for name in ("fp32", "fp16"):
        distance.add(folder / f"{name}.onnx", rows)
    return folder, rows


def test_half_precision_gives_the_same_logit_distance_and_map(made):
    folder, rows = made
    exact, halved = (Session(folder / f"{n}.onnx").explain(rows) for n in ("fp32", "fp16"))
    # 11 bits of significand, rounded once in each of some twenty layers
    np.testing.assert_allclose(halved.logit, exact.logit, atol=20 * 2**-11)
    np.testing.assert_allclose(halved.distance, exact.distance, rtol=0.02)
    np.testing.assert_allclose(halved.map, exact.map, atol=0.05)


def test_weights_take_half_the_room_and_every_edge_of_the_graph_stays_fp32(made):
    folder, _ = made
    models = {name: onnx.load(folder / f"{name}.onnx") for name in ("fp32", "fp16")}
    network = {
        name: sum(
            len(onnx.numpy_helper.to_array(w).tobytes())
            for w in model.graph.initializer
            if not w.name.startswith("distance/")
        )
        for name, model in models.items()
    }
    assert 0.49 < network["fp16"] / network["fp32"] < 0.55
    for ends in ("input", "output"):
        kinds = [
            [e.type.tensor_type.elem_type for e in getattr(model.graph, ends)]
            for model in models.values()
        ]
        assert kinds[0] == kinds[1]
    onnx.checker.check_model(models["fp16"], full_check=True)


def test_a_weight_beyond_half_precision_is_refused_by_name(made, tmp_path):
    model = onnx.load(made[0] / "fp32.onnx")
    weight = next(w for w in model.graph.initializer if w.name.endswith("weight"))
    values = onnx.numpy_helper.to_array(weight).copy()
    values.flat[0] = 70_000
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(model, tmp_path / "wide.onnx")
    with pytest.raises(DataError, match=f"weight {weight.name} reaches 7e\\+04"):
        fp16.halve(tmp_path / "wide.onnx", tmp_path / "out.onnx")
