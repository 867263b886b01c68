"""Optimisers and schedules."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

from medpipe.config import TrainParams
from medpipe.learning.optimisers import optimiser, rate_factor

KINDS = {
    "sgd": torch.optim.SGD, "momentum": torch.optim.SGD, "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam, "adamw": torch.optim.AdamW,
}  # fmt: skip


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 1))


@pytest.mark.parametrize("name", KINDS)
def test_each_optimiser_lowers_a_loss(name: str) -> None:
    torch.manual_seed(0)
    net, x = network(), torch.randn(8, 1, 3, 3)
    chosen = optimiser(net, TrainParams(optimiser=name, learning_rate=0.01))
    assert type(chosen) is KINDS[name]
    losses = []
    for _ in range(20):
        loss = (net(x) - 1).square().mean()
        chosen.zero_grad()
        loss.backward()
        chosen.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_momentum_is_only_where_it_is_named() -> None:
    def momentum(name: str) -> float:
        return optimiser(network(), TrainParams(optimiser=name)).param_groups[0]["momentum"]

    assert (momentum("sgd"), momentum("momentum"), momentum("rmsprop")) == (0, 0.9, 0.9)


def test_weight_decay_spares_norms_and_biases() -> None:
    net = network()
    decayed, spared = optimiser(net, TrainParams(l2=0.1)).param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0)
    assert {id(p) for p in decayed["params"]} == {id(net[0].weight), id(net[3].weight)}
    assert len(spared["params"]) == 4


@pytest.mark.parametrize(
    ("layer", "matrices"),
    [(nn.GRU(3, 4, num_layers=2), 4), (nn.LSTM(3, 4), 2), (nn.GRUCell(3, 4), 2),
     (nn.MultiheadAttention(4, 2), 2), (nn.Embedding(3, 4), 0)],
)  # fmt: skip
def test_weight_decay_acts_on_every_matrix_of_a_layer_but_on_no_embedding(
    layer: nn.Module, matrices: int
) -> None:
    decayed, spared = optimiser(layer, TrainParams(l2=0.1)).param_groups
    assert [weight.ndim for weight in decayed["params"]] == [2] * matrices
    assert len(decayed["params"]) + len(spared["params"]) == len(list(layer.parameters()))


def rates(schedule: str, steps: int) -> list[float]:
    return [rate_factor(schedule, done=i / steps, val_losses=[]) for i in range(steps)]


def test_cosine_is_torchs() -> None:
    chosen = torch.optim.SGD(network().parameters(), 1.0)
    theirs = CosineAnnealingLR(chosen, T_max=50)
    expected = []
    for _ in range(50):
        expected.append(theirs.get_last_lr()[0])
        chosen.step()
        theirs.step()
    assert rates("cosine", 50) == pytest.approx(expected, abs=1e-9)


def test_one_cycle_is_torchs_within_a_step() -> None:
    chosen = torch.optim.SGD(network().parameters(), 1.0)
    theirs = OneCycleLR(chosen, max_lr=1.0, total_steps=1000, cycle_momentum=False)
    expected = []
    for _ in range(999):
        expected.append(theirs.get_last_lr()[0])
        chosen.step()
        theirs.step()
    assert rates("one_cycle", 1000)[:999] == pytest.approx(expected, abs=0.01)


def test_step_is_ten_times_slower_after_half_and_three_quarters() -> None:
    found = rates("step", 8)
    assert found == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_constant_stays() -> None:
    assert set(rates("constant", 5)) == {1.0}


@pytest.mark.parametrize(
    ("losses", "factor"),
    [
        ([], 1),
        ([3, 2, 1], 1),
        ([1, 1, 1], 1),
        ([1, 2, 2, 2], 0.5),
        ([1, 2, 2, 0.5, 2, 2], 1),
        ([1, 2, 2, 2, 2, 2, 2], 0.25),
    ],
)
def test_a_plateau_of_three_epochs_halves_the_rate(losses: list[float], factor: float) -> None:
    assert rate_factor("plateau", done=0.5, val_losses=losses) == factor
