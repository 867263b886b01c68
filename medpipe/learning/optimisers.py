"""Optimisers and learning-rate schedules.

A schedule is a function of how far the training is, without state, so there is nothing to save and
a resumed training cannot differ.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from medpipe.config import TrainParams

_WARM_UP = 0.3
_START = 1 / 25
_END = 1e-4
"""One cycle: share of the steps spent rising, first and last rate as a share of the peak.

Smith & Topin 2018, arXiv:1708.07120; the numbers are those of torch's OneCycleLR.
"""
_MILESTONES = (0.5, 0.75)
_STEP = 0.1
"""Step: ten times slower after each milestone (He et al. 2016, as a share of the training)."""
_PATIENCE = 3
_SLOWER = 0.5
"""Plateau: epochs without a lower val loss before the rate is halved."""
_WEIGHED = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear),
    *(nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention),
)


def optimiser(network: nn.Module, params: TrainParams) -> Optimizer:
    """The optimiser of `params` over `network`; weight decay spares norms and biases."""
    decayed = penalised(network)
    names = {id(weight) for weight in decayed}
    spared = [weight for weight in network.parameters() if id(weight) not in names]
    groups = [
        {"params": decayed, "weight_decay": params.l2},
        {"params": spared, "weight_decay": 0.0},
    ]
    rate, momentum = params.learning_rate, params.momentum
    match params.optimiser:
        case "sgd":
            return torch.optim.SGD(groups, rate, fused=True)
        case "momentum":
            return torch.optim.SGD(groups, rate, momentum=momentum, fused=True)
        case "rmsprop":
            return torch.optim.RMSprop(groups, rate, momentum=momentum)
        case "adam":
            return torch.optim.Adam(groups, rate, fused=True)
        case "adamw":
            return torch.optim.AdamW(groups, rate, fused=True)


def penalised(network: nn.Module) -> list[Tensor]:
    """Weights that L1 and L2 act on: the matrices of layers, recurrent and attention ones too."""
    return [getattr(module, name) for module, name in weighed(network)]


def weighed(network: nn.Module) -> list[tuple[nn.Module, str]]:
    """Where those weights lie: layer and name in it."""
    return [
        (module, name)
        for module in network.modules()
        if isinstance(module, _WEIGHED)
        for name, _ in module.named_parameters(recurse=False)
        if "weight" in name  # such as weight_ih_l0 of a GRU, in_proj_weight of attention
    ]


def rate_factor(schedule: str, *, done: float, val_losses: Sequence[float]) -> float:
    """Share of the learning rate to use now.

    Parameters
    ----------
    done : share of all steps that are behind, 0…1
    val_losses : of the epochs that are behind; only "plateau" looks at them
    """
    match schedule:
        case "cosine":
            return _cosine(1.0, 0.0, done)
        case "one_cycle" if done < _WARM_UP:
            return _cosine(_START, 1.0, done / _WARM_UP)
        case "one_cycle":
            return _cosine(1.0, _START * _END, (done - _WARM_UP) / (1 - _WARM_UP))
        case "step":
            return _STEP ** sum(done >= milestone for milestone in _MILESTONES)
        case "plateau":
            return _SLOWER ** _plateaus(val_losses)
    return 1.0


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def _plateaus(losses: Sequence[float]) -> int:
    """How often `_PATIENCE` epochs passed without a new lowest loss."""
    count, waited, lowest = 0, 0, math.inf
    for loss in losses:
        waited = 0 if loss < lowest else waited + 1
        lowest = min(lowest, loss)
        if waited == _PATIENCE:
            count, waited = count + 1, 0
    return count
