"""A network that is pruned in training, exported, and compared with itself from before."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import numpy_helper
from safetensors.torch import load_file
from test_train_and_export import Squares, params, prepare

from medpipe import nn as networks
from medpipe.artefact import weights
from medpipe.config import Params, TrainParams
from medpipe.errors import ParamsError
from medpipe.learning import learner
from medpipe.nn import channels
from medpipe.paths import Layout
from medpipe.stages.export import export
from medpipe.stages.train import train


def asked(method: str, amount: float = 0.5) -> Params:
    prune = {"method": method, "amount": amount, "fine_tune_epochs": 2}
    return params(learning_rate=0.01, prune=prune)


@pytest.fixture(scope="module", params=["magnitude", "structured"])
def pruned(request, tmp_path_factory) -> tuple[str, Layout, dict]:
    layout = prepare(tmp_path_factory.mktemp(request.param))
    outcome = train(Squares(), asked(request.param), layout)
    export(Squares(), asked(request.param), layout)
    return request.param, layout, outcome


def test_it_is_fitted_again_and_says_what_it_scored_before(pruned):
    _, layout, outcome = pruned
    assert outcome["epochs"] == 4 + 2
    assert outcome["best_epoch"] > 4
    assert {"val_auroc", "val_auroc_unpruned"} <= outcome.keys()
    rates = pd.read_csv(layout.weights / "history.csv")["learning_rate"]
    assert max(rates[4:]) <= 0.1 * 0.01


def test_half_of_the_weights_are_noughts_or_half_of_the_channels_gone(pruned):
    method, layout, _ = pruned
    (before, none), (after, noughts) = (
        weights.counted(layout.onnx / f"{name}.onnx") for name in ("unpruned", "fp32")
    )
    assert none == 0
    if method == "magnitude":
        assert (after, noughts) == (before, pytest.approx(before / 2, abs=1))
        return
    # 8, 16, 32 channels of 3 × 3 become 4, 8, 16, and 64 hidden units of 2 × 2 places 32
    assert before == 9 * (8 + 8 * 16 + 16 * 32) + 4 * 32 * 64 + 64
    assert after == 9 * (4 + 4 * 8 + 8 * 16) + 4 * 16 * 32 + 32
    size = {n: (layout.onnx / f"{n}.onnx").stat().st_size for n in ("unpruned", "fp32", "int8")}
    assert size["int8"] < size["fp32"] < size["unpruned"]


def test_the_network_from_before_is_exported_to_compare_with_and_not_as_a_variant(pruned):
    _, layout, _ = pruned
    listed = json.loads((layout.onnx / "artefact.json").read_text())
    assert list(listed["variants"]) == ["fp32", "int8"]
    assert listed["unpruned"]["file"] == "unpruned.onnx"
    kept = load_file(layout.weights / "unpruned.safetensors")
    model = onnx.load(layout.onnx / "unpruned.onnx")
    found = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    np.testing.assert_array_equal(found["network.head.weight"], kept["head.weight"].numpy())


def test_a_killed_fine_tuning_ends_with_the_very_same_weights(pruned, tmp_path, monkeypatch):
    method, first, _ = pruned
    layout, fit, calls = prepare(tmp_path), learner.fit, []

    def killed(network, objective, **settings):
        calls.append(settings["params"].epochs)
        if len(calls) < 2:
            return fit(network, objective, **settings)
        return fit(network, objective, **settings | {"on_epoch": stop, "save_every_s": 0.0})

    def stop(epoch):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(learner, "fit", killed)
        train(Squares(), asked(method), layout)
    assert train(Squares(), asked(method), layout)["resumed_after"] == 1
    same = (first.weights / "weights.safetensors").read_bytes()
    assert (layout.weights / "weights.safetensors").read_bytes() == same


def test_no_channel_is_removed_where_that_is_not_known_to_work_or_none_would_be_left():
    network = networks.build(
        networks.ImageModel(architecture="vit"), channels=1, outputs=1, size_px=32, mean=1, std=1
    )
    with pytest.raises(ParamsError, match=r"this one has .*LayerNorm.*: take magnitude"):
        channels.remove(network, (), 0.5)
    small = Squares().model(asked("structured").model, {"mean": 1.0, "std": 1.0})
    with pytest.raises(ParamsError, match=r"a layer of 8 channels; at most 0\.88 can go"):
        channels.remove(small, (), 0.9)


@pytest.mark.parametrize("architecture", ["small_cnn", "resnet18", "densenet121"])
def test_a_new_network_takes_the_shape_and_the_weights_of_a_pruned_one(architecture):
    import torch

    def made():
        chosen = networks.ImageModel(architecture=architecture)
        return networks.build(chosen, channels=1, outputs=1, size_px=32, mean=9.0, std=5.0)

    one, rows = made(), torch.randint(0, 255, (3, 1, 32, 32), dtype=torch.uint8)
    removed = channels.remove(one, (rows,), 0.5)
    again = made()
    inputs = {"image": {"shape": [1, 32, 32], "dtype": "uint8"}}
    channels.remove_again(again, inputs, json.loads(json.dumps(removed)))
    again.load_state_dict(one.state_dict())
    for ours, theirs in zip(again.eval().explain(rows), one.eval().explain(rows), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_pruning_on_several_devices_is_refused():
    with pytest.raises(ValueError, match="prune needs devices and nodes of 1"):
        TrainParams(devices=2, prune={"method": "magnitude"})
