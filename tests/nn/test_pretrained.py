"""Weights from a local file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from medpipe.errors import ParamsError
from medpipe.nn import ImageModel, build, pretrained
from medpipe.nn.resnet import ResNet


def resnet(channels: int = 1, outputs: int = 1, width: int = 4) -> ResNet:
    params = ImageModel(architecture="resnet18", width=width)
    network = build(params, channels=channels, outputs=outputs, size_px=32, mean=9.0, std=2.0)
    assert isinstance(network, ResNet)
    return network


def published(folder: Path, *, suffix: str = ".safetensors", width: int = 4) -> Path:
    """A file as torchvision would write it: colour input, many classes, no normalisation."""
    weights = resnet(channels=3, outputs=7, width=width).state_dict()
    weights = {name: value for name, value in weights.items() if "normalise" not in name}
    path = folder / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save({"state_dict": {f"module.{n}": v for n, v in weights.items()}}, path)
    return path


def test_names_are_those_of_torchvision() -> None:
    names = set(resnet().state_dict())
    expected = {"conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight", "layer2.0.bn2.bias"}
    assert expected | {"layer4.1.conv2.weight", "layer2.0.downsample.0.weight"} <= names
    assert {"layer3.0.downsample.1.running_var", "fc.weight", "fc.bias"} <= names


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_everything_but_the_head_is_taken(tmp_path: Path, suffix: str) -> None:
    network = resnet()
    matched = pretrained.load(network, published(tmp_path, suffix=suffix))
    assert matched.reshaped == ("conv1.weight",)
    assert set(matched.fresh) == set(matched.unused) == {"fc.weight", "fc.bias"}


def test_a_grey_image_gives_what_it_gave_in_three_equal_channels(tmp_path: Path) -> None:
    torch.manual_seed(0)
    colour = resnet(channels=3)
    save_file(colour.state_dict(), tmp_path / "w.safetensors")
    grey = resnet()
    pretrained.load(grey, tmp_path / "w.safetensors")
    x = torch.randint(0, 256, (2, 1, 32, 32), dtype=torch.uint8)
    expected = colour.eval()(x.expand(2, 3, 32, 32))
    assert torch.allclose(grey.eval()(x), expected, atol=1e-4)


def test_mean_and_std_stay_those_of_the_training_rows(tmp_path: Path) -> None:
    save_file(
        {"normalise.scale": torch.zeros(1, 1, 1), **resnet().state_dict()},
        tmp_path / "w.safetensors",
    )
    network = resnet()
    pretrained.load(network, tmp_path / "w.safetensors")
    assert network.normalise.scale.item() == 0.5


def test_another_width_is_refused_with_the_names_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"has 0 of 62 parameters .* missing: conv1.weight, bn1"):
        pretrained.load(resnet(width=8), published(tmp_path))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_that_holds_no_tensors_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(b"\x80\x04 not tensors")
    with pytest.raises(ParamsError, match="is not a file of tensors"):
        pretrained.load(resnet(), path)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save(resnet(), tmp_path / "model.pth")  # a pickled module
    with pytest.raises(ParamsError, match="is not a file of tensors"):
        pretrained.load(resnet(), tmp_path / "model.pth")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"nothing\.pth is not there; paths are relative"):
        pretrained.load(resnet(), tmp_path / "nothing.pth")
