"""Training on a CUDA device. Skips where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from medpipe.config import TrainParams
from medpipe.learning import learner
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


def fitted(folder: Path, *, stop_after: int = 0, **keys: object) -> Fitted:
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
        network, get("binary"), train=rows(64, 1), val=rows(32, 2), params=params,
        checkpoints=Checkpoints(folder), augment=RadiographAugment(AugmentParams()),
        on_epoch=watch,
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


def test_a_killed_training_resumes_there(tmp_path: Path) -> None:
    whole = fitted(tmp_path / "whole")
    with pytest.raises(KilledError):
        fitted(tmp_path / "cut", stop_after=2)
    resumed = fitted(tmp_path / "cut")
    assert resumed.resumed_after == 2
    for name, expected in whole.weights.items():  # some CUDA sums have no fixed order
        assert torch.allclose(resumed.weights[name].float(), expected.float(), atol=1e-3), name


def test_cpu_and_gpu_give_the_same_logits() -> None:
    torch.manual_seed(0)
    model = ImageModel(architecture="resnet18", width=8)
    network = build(model, channels=1, outputs=1, size_px=32, mean=70.0, std=40.0).eval()
    (x,), _ = rows(8, 3).at(np.arange(8))
    with torch.no_grad():
        expected = network(x)
        found = network.cuda()(x.cuda()).cpu()
    assert torch.allclose(found, expected, atol=1e-2)
