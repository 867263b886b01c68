"""The networks that are written out here: small CNN and ResNet."""

from __future__ import annotations

from pathlib import Path

import network_checks as checks
import pytest
import torch

from medpipe.errors import ParamsError
from medpipe.nn import ImageModel, build

ARCHITECTURES = ["small_cnn", "resnet18", "resnet50"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_overfits_sixteen_rows(architecture: str) -> None:
    checks.overfits_sixteen_rows(checks.make(architecture))


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "resnet34"])
def test_gradient_reaches_every_weight(architecture: str) -> None:
    checks.gradient_reaches_every_weight(checks.make(architecture))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_one_row_scores_as_among_many(architecture: str) -> None:
    checks.one_row_scores_as_among_many(checks.make(architecture))


@pytest.mark.parametrize("architecture", ["small_cnn", "resnet18"])
def test_the_artefact_is_the_network(architecture: str, tmp_path: Path) -> None:
    checks.artefact_is_the_network(checks.make(architecture, dropout=0.3), tmp_path)


@pytest.mark.parametrize(
    ("architecture", "layer"),
    [("small_cnn", "features"), ("resnet18", "layer4"), ("resnet50", "layer4")],
)
def test_the_map_is_what_autograd_says(architecture: str, layer: str) -> None:
    checks.map_is_autograds(checks.make(architecture, dropout=0.3), layer)


@pytest.mark.parametrize("architecture", ["small_cnn", "resnet18"])
def test_of_several_outputs_the_highest_is_explained(architecture: str) -> None:
    network = checks.make(architecture, outputs=3).eval()
    x = checks.images(4)
    logits, evidence, _ = network.explain(x)
    assert logits.shape == (4, 3)
    head = network.head if architecture == "small_cnn" else network.fc
    top = int(logits[0].argmax())
    with torch.no_grad():  # the other outputs' weights do not matter
        for other in {0, 1, 2} - {top}:
            head.weight[other] = 0
            head.bias[other] = -1e9
    assert torch.allclose(network.explain(x)[1][0], evidence[0], atol=1e-6)


@pytest.mark.parametrize(
    ("size", "stem", "side"), [(224, 4, 7), (128, 4, 4), (64, 4, 4), (64, 2, 4), (32, 4, 2)]
)
def test_a_resnets_map_is_never_coarser_than_it_must_be(size: int, stem: int, side: int) -> None:
    params = ImageModel(architecture="resnet18", width=4, stem_stride=stem)
    network = build(params, channels=1, outputs=1, size_px=size, mean=127.0, std=64.0)
    _, evidence, _ = network.explain(torch.zeros(1, 1, size, size, dtype=torch.uint8))
    assert evidence.shape == (1, side, side)


def test_an_image_without_evidence_has_an_empty_map() -> None:
    network = checks.make("resnet18").eval()
    with torch.no_grad():
        network.fc.weight.fill_(-1)
    assert network.explain(checks.images(2))[1].abs().max() == 0


def test_pixels_are_normalised_inside_the_network() -> None:
    network = checks.make("small_cnn")
    pixels = torch.full((1, 1, 2, 2), 191, dtype=torch.uint8)
    assert torch.allclose(network.normalise(pixels), torch.ones(1, 1, 2, 2))  # (191 − 127) / 64
    assert torch.allclose(network.normalise(pixels.float()), torch.ones(1, 1, 2, 2))


def test_the_small_network_has_as_many_weights_as_counted_by_hand() -> None:
    network = checks.make("small_cnn", batch_norm=False)
    convolutions = (9 * 1 + 1) * 8 + (9 * 8 + 1) * 16 + (9 * 16 + 1) * 32
    dense = (32 * 4 * 4 + 1) * 64 + 64 + 1
    assert sum(w.numel() for w in network.parameters()) == convolutions + dense


def test_resnet18_has_the_published_number_of_weights() -> None:
    params = ImageModel(architecture="resnet18")
    network = build(params, channels=3, outputs=1000, size_px=224, mean=127.0, std=64.0)
    assert sum(w.numel() for w in network.parameters()) == 11_689_512  # torchvision's documentation


def test_sizes_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(ParamsError, match="size_px is 7; small_cnn halves it 3 times"):
        build(
            ImageModel(architecture="small_cnn"),
            channels=1, outputs=1, size_px=7, mean=1.0, std=1.0,
        )  # fmt: skip


def test_blank_training_images_are_refused() -> None:
    with pytest.raises(ParamsError, match="are all training images blank"):
        build(ImageModel(), channels=1, outputs=1, size_px=32, mean=0.0, std=0.0)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"architecture": "resnet18", "batch_norm": False}, "resnet18 needs batch normalisation"),
        ({"architecture": "vit", "dim": 10, "heads": 3}, "dim 10 is not divisible by heads 3"),
        ({"architecture": "alexnet"}, "Input should be 'small_cnn'"),
        ({"widht": 3}, "Extra inputs are not permitted"),
    ],
)
def test_impossible_models_are_refused(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageModel.model_validate(keys)
