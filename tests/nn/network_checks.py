"""What every network must fulfil; used by the tests of each architecture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from medpipe.artefact import distance, graph
from medpipe.nn import ImageModel, build
from medpipe.objectives import get
from medpipe.serving.session import Session

TINY = {"width": 8, "patch_px": 8, "dim": 16, "depth": 2, "heads": 2}
SIZE = 32


def make(architecture: str, *, outputs: int = 1, channels: int = 1, **params: object) -> nn.Module:
    torch.manual_seed(0)
    model = ImageModel.model_validate({**TINY, "architecture": architecture, **params})
    return build(model, channels=channels, outputs=outputs, size_px=SIZE, mean=127.0, std=64.0)


def images(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 1, SIZE, SIZE), dtype=torch.uint8, generator=generator)


def overfits_sixteen_rows(network: nn.Module, steps: int = 40) -> None:
    x, targets = images(16), (torch.arange(16) % 2).float()
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    network.train()
    for _ in range(steps):
        loss = get("binary").loss(network(x), targets, weights=(1, 1), smoothing=0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.1


def gradient_reaches_every_weight(network: nn.Module) -> None:
    network.train()
    network(images(8)).square().sum().backward()
    cold = [n for n, w in network.named_parameters() if w.grad is None or not w.grad.abs().sum()]
    assert cold == []


def one_row_scores_as_among_many(network: nn.Module) -> None:
    network.eval()
    x = images(6)
    with torch.no_grad():
        together = network(x)
        alone = torch.cat([network(x[i : i + 1]) for i in range(6)])
        logits, _, features = network.explain(x)
        own = network.explain(x[2:3])[2]
    assert together.shape == (6, 1)
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.allclose(together, logits, atol=1e-5)
    assert features.ndim == 2
    assert torch.allclose(own, features[2:3], atol=1e-4)


def map_is_autograds(network: nn.Module, layer: str) -> None:
    """The map equals HiResCAM as autograd computes it, at the output (B, C, h, w) of `layer`."""
    network.eval()
    held: list[Tensor] = []

    def hold(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        held.append(output)

    hook = network.get_submodule(layer).register_forward_hook(hold)
    logits, evidence, _ = network.explain(images(5))
    hook.remove()
    (gradient,) = torch.autograd.grad(logits.sum(), held[0])
    raw = (held[0] * gradient).sum(1).relu()
    expected = raw / raw.amax((1, 2), keepdim=True).clamp(min=1e-12)
    assert evidence.shape == expected.shape
    assert expected.max() == 1
    assert torch.allclose(evidence, expected, atol=1e-4)


def artefact_is_the_network(network: nn.Module, folder: Path) -> None:
    graph.export(network, {"image": images(1).numpy()}, folder / "m.onnx")
    cloud = distance.add(folder / "m.onnx", {"image": images(40, seed=2).numpy()})
    x = images(7, seed=1)
    logit, far, _, evidence = Session(folder / "m.onnx", threads=1).explain({"image": x.numpy()})
    with torch.no_grad():
        expected, map_, features = network.eval().explain(x)
    assert np.allclose(logit, expected[:, 0].numpy(), atol=1e-4)
    assert np.allclose(evidence, map_.numpy(), atol=1e-3)
    assert np.allclose(far, cloud.distances(features.double().numpy()), rtol=1e-3)
    assert evidence.ndim == 3
