"""Training on a CUDA device. Skips where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medpipe.config import TrainParams
from medpipe.learning import batches, learner
from medpipe.learning.batches import Rows
from medpipe.learning.checkpoints import Checkpoints
from medpipe.learning.learner import Epoch, Fitted
from medpipe.nn import ImageModel, build
from medpipe.nn.augment import RadiographAugment
from medpipe.nn.params import AugmentParams
from medpipe.objectives import get

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]


class KilledError(Exception):
    """What a test raises where a process would be killed."""


def rows(count: int, seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 120, (count, 1, 32, 32), dtype=np.uint8)
    targets = (np.arange(count) % 2).astype(np.float32)
    images[targets == 1, :, 8:16, 8:16] += 100
    return Rows({"image": images}, targets)


class Watched(nn.Module):
    """A network under which torch raises on any wait for the GPU, from training to validation."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        torch.cuda.set_sync_debug_mode("error" if self.training else "default")
        logits: Tensor = self.network(x)
        return logits


def fitted(folder: Path, *, stop_after: int = 0, watched: bool = False, **keys: object) -> Fitted:
    torch.manual_seed(0)
    model = ImageModel(architecture="resnet18", width=8)
    network = build(model, channels=1, outputs=1, size_px=32, mean=70.0, std=40.0)
    params = TrainParams.model_validate(
        {"epochs": 4, "batch_size": 16, "device": "gpu", "precision": "fp32", **keys}
    )

    def watch(epoch: Epoch) -> None:
        if epoch.number == stop_after:
            raise KilledError

    return learner.fit(
        Watched(network) if watched else network,
        get("binary"), train=rows(64, 1), val=rows(32, 2), params=params,
        checkpoints=Checkpoints(folder), augment=RadiographAugment(AugmentParams()),
        on_epoch=watch, save_every_s=0.0 if stop_after else 300.0,
    )  # fmt: skip


def test_auto_takes_the_gpu_and_bf16_where_it_has_it(tmp_path: Path) -> None:
    result = fitted(tmp_path, device="auto", precision="auto")
    able = torch.cuda.is_bf16_supported(including_emulation=False)
    assert result.hardware.accelerator == "cuda"
    assert result.hardware.precision == ("bf16" if able else "fp32")
    assert result.hardware.name == torch.cuda.get_device_name()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_learns_there_and_the_weights_come_back(tmp_path: Path, precision: str) -> None:
    torch.cuda.reset_peak_memory_stats()
    result = fitted(tmp_path, epochs=8, precision=precision)
    assert result.best.score > 0.95
    assert torch.cuda.max_memory_allocated() > 1 << 20  # it was there
    assert {weight.device.type for weight in result.weights.values()} == {"cpu"}
    assert result.weights["conv1.weight"].dtype == torch.float32


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_killed_training_ends_there_with_the_weights_of_an_uninterrupted_one(
    tmp_path: Path, precision: str
) -> None:
    whole = fitted(tmp_path / "whole", precision=precision)
    with pytest.raises(KilledError):
        fitted(tmp_path / "cut", stop_after=2, precision=precision)
    resumed = fitted(tmp_path / "cut", precision=precision)
    assert resumed.resumed_after == 2
    for name, expected in whole.weights.items():
        assert torch.equal(resumed.weights[name], expected), name


def test_training_on_a_gpu_leaves_its_settings_as_they_were(tmp_path: Path) -> None:
    torch.manual_seed(0)  # as `fitted` does before it calls the learner
    expected = torch.rand(3, device="cuda")
    fitted(tmp_path, epochs=1)
    assert torch.equal(torch.rand(3, device="cuda"), expected)
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory


def test_no_step_waits_for_the_gpu(tmp_path: Path) -> None:
    """Between the first forward pass of an epoch and its validation torch raises on any wait."""
    try:
        result = fitted(tmp_path, watched=True, precision="bf16")
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(result.history) == 4


def test_rows_for_a_gpu_are_read_into_pinned_memory() -> None:
    (x,), targets = next(batches.fetched(rows(8, 3), [np.array([5, 2])], pinned=True))
    (expected,), _ = rows(8, 3).at(np.array([5, 2]))
    assert x.is_pinned()
    assert targets.is_pinned()
    assert torch.equal(x, expected)


def test_cpu_and_gpu_give_the_same_logits() -> None:
    torch.manual_seed(0)
    model = ImageModel(architecture="resnet18", width=8)
    network = build(model, channels=1, outputs=1, size_px=32, mean=70.0, std=40.0).eval()
    (x,), _ = rows(8, 3).at(np.arange(8))
    with torch.no_grad():
        expected = network(x)
        found = network.cuda()(x.cuda()).cpu()
    assert torch.allclose(found, expected, atol=1e-2)
