"""DenseNet-121 and ViT. Slow: importing MONAI alone takes six seconds."""

from __future__ import annotations

from pathlib import Path

import network_checks as checks
import pytest
import torch

from medpipe.errors import ParamsError
from medpipe.nn import ImageModel, build

pytestmark = pytest.mark.slow
ARCHITECTURES = ["densenet121", "vit"]


@pytest.mark.parametrize(("architecture", "steps"), [("densenet121", 20), ("vit", 40)])
def test_it_overfits_sixteen_rows(architecture: str, steps: int) -> None:
    checks.overfits_sixteen_rows(checks.make(architecture), steps)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradient_reaches_every_weight(architecture: str) -> None:
    checks.gradient_reaches_every_weight(checks.make(architecture))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_one_row_scores_as_among_many(architecture: str) -> None:
    checks.one_row_scores_as_among_many(checks.make(architecture))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_artefact_is_the_network(architecture: str, tmp_path: Path) -> None:
    checks.artefact_is_the_network(checks.make(architecture), tmp_path)


def test_each_token_of_a_vit_contributes_what_autograd_says() -> None:
    network = checks.make("vit").eval()
    held: list[torch.Tensor] = []
    network.body.norm.register_forward_hook(lambda module, inputs, output: held.append(output))
    logits, evidence, _ = network.explain(checks.images(3))
    (gradient,) = torch.autograd.grad(logits.sum(), held[0])
    raw = (held[0] * gradient).sum(2).relu().view(3, 4, 4)
    assert torch.allclose(evidence, raw / raw.amax((1, 2), keepdim=True), atol=1e-5)


def test_a_patch_in_the_corner_is_the_corner_of_the_map() -> None:
    network = checks.make("vit", depth=1).eval()
    x = torch.full((1, 1, checks.SIZE, checks.SIZE), 127, dtype=torch.uint8)
    before = network._tokens(x)
    x[:, :, :8, 24:] = 255
    moved = (network._tokens(x) - before).abs().sum(2).view(4, 4)
    assert moved.argmax() == 3  # first row, last column


def test_torchvision_names_of_a_densenet_load(tmp_path: Path) -> None:
    from medpipe.nn import pretrained

    network = checks.make("densenet121")
    theirs = {
        name.replace(".layers.", "."): value + 1 for name, value in network.state_dict().items()
    }
    torch.save(theirs, tmp_path / "weights.pth")
    matched = pretrained.load(network, tmp_path / "weights.pth")
    assert matched.fresh == ()


def test_sizes_that_do_not_fit_are_refused() -> None:
    sizes = {"channels": 1, "outputs": 1, "mean": 1.0, "std": 1.0}
    with pytest.raises(
        ParamsError, match=r"size_px is 30, which model\.patch_px 8 does not divide"
    ):
        build(ImageModel(architecture="vit"), size_px=30, **sizes)
    with pytest.raises(ParamsError, match="densenet121 needs at least 32"):
        build(ImageModel(architecture="densenet121"), size_px=16, **sizes)
