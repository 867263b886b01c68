"""Every architecture of every workload on a CUDA device. Skips where there is none."""

from __future__ import annotations

import copy
import typing
from pathlib import Path

import pytest
import samples
import torch

from medpipe import config, workloads
from medpipe.config import Params
from medpipe.learning import learner
from medpipe.learning.batches import Rows
from medpipe.learning.checkpoints import Checkpoints
from medpipe.learning.learner import Epoch, Fitted
from medpipe.objectives import get
from medpipe.workload import Workload


def architectures() -> list[tuple[str, str]]:
    """Every workload with every architecture that its section `model` allows."""
    found = []
    for name in workloads.names():
        field = config.parse({}, workloads.get(name)).model.__class__.model_fields["architecture"]
        found += [(name, architecture) for architecture in typing.get_args(field.annotation)]
    return found


pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
    pytest.mark.parametrize(("name", "architecture"), architectures()),
]


class KilledError(Exception):
    """What a test raises where a process would be killed."""


def opened(name: str, architecture: str) -> tuple[Workload, Params]:
    model = {"architecture": architecture}
    train = {"epochs": 3, "batch_size": 16, "device": "gpu", "learning_rate": 0.001}
    return workloads.get(name), config.parse({"model": model, "train": train}, workloads.get(name))


def network(name: str, architecture: str) -> torch.nn.Module:
    workload, params = opened(name, architecture)
    torch.manual_seed(0)
    return workload.model(params.model, samples.state(name))


def fitted(name: str, architecture: str, folder: Path, *, stop_after: int = 0) -> Fitted:
    workload, params = opened(name, architecture)
    rows = Rows(*samples.balanced(name, 32))

    def watch(epoch: Epoch) -> None:
        if epoch.number == stop_after:
            raise KilledError

    return learner.fit(
        network(name, architecture), get(workload.objective), train=rows, val=rows,
        params=params.train, checkpoints=Checkpoints(folder),
        augment=workload.augment(params.augment), on_epoch=watch,
        save_every_s=0.0 if stop_after else 300.0,
    )  # fmt: skip


def test_it_says_there_what_it_says_on_the_cpu(name: str, architecture: str) -> None:
    inputs, _ = samples.balanced(name, 16)
    rows = [torch.from_numpy(array) for array in inputs.values()]
    on_cpu = network(name, architecture).eval()
    on_gpu = copy.deepcopy(on_cpu).cuda()
    with torch.no_grad():
        expected = on_cpu(*rows)
        found = on_gpu(*(array.cuda() for array in rows)).cpu()
    assert torch.allclose(found, expected, atol=1e-2)  # convolutions there are of TF32


@pytest.mark.filterwarnings("error:.*deterministic:UserWarning")
def test_killed_and_resumed_there_it_ends_with_the_very_weights(
    name: str, architecture: str, tmp_path: Path
) -> None:
    whole = fitted(name, architecture, tmp_path / "whole")
    with pytest.raises(KilledError):
        fitted(name, architecture, tmp_path / "cut", stop_after=2)
    resumed = fitted(name, architecture, tmp_path / "cut")
    assert resumed.resumed_after == 2
    differ = [n for n, w in whole.weights.items() if not torch.equal(w, resumed.weights[n])]
    assert differ == []
