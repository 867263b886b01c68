"""Training: it learns, it repeats itself, and it goes on after a kill."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from medpipe.config import TrainParams
from medpipe.errors import DataError, ParamsError
from medpipe.learning import learner
from medpipe.learning.batches import Rows
from medpipe.learning.checkpoints import Checkpoints
from medpipe.learning.learner import Epoch, Fitted
from medpipe.nn import ImageModel, build
from medpipe.nn.augment import RadiographAugment
from medpipe.nn.params import AugmentParams
from medpipe.objectives import get

SIZE = 16
FAST = {"epochs": 3, "batch_size": 8, "precision": "fp32", "learning_rate": 0.01, "device": "cpu"}


class KilledError(Exception):
    """What a test raises where a process would be killed."""


class Noisy(torch.nn.Module):
    """An augmentation that draws, and can end the process at its `dies_at`-th call."""

    def __init__(self, dies_at: int | None) -> None:
        super().__init__()
        self.dies_at, self.calls = dies_at, 0

    def forward(self, x: Tensor) -> Tensor:
        if self.calls == self.dies_at:
            raise KilledError
        self.calls += 1
        return x.float() + torch.rand_like(x.float())


def rows(count: int, seed: int) -> Rows:
    """Noise with a bright square in the positives, every other row."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 120, (count, 1, SIZE, SIZE), dtype=np.uint8)
    targets = (np.arange(count) % 2).astype(np.float32)
    images[targets == 1, :, 4:8, 4:8] += 100
    return Rows({"image": images}, targets)


def network(seed: int = 0, dropout: float = 0.2) -> torch.nn.Module:
    torch.manual_seed(seed)
    model = ImageModel(architecture="small_cnn", width=4, dropout=dropout)
    return build(model, channels=1, outputs=1, size_px=SIZE, mean=70.0, std=40.0)


def fitted(folder: Path, *, stop_after: int = 0, **params: Any) -> Fitted:
    """A small training; `stop_after` epochs it is killed."""
    settings = TrainParams(**{**FAST, **params})

    def watch(epoch: Epoch) -> None:
        if epoch.number == stop_after:
            raise KilledError

    return learner.fit(
        network(), get("binary"), train=rows(40, 1), val=rows(24, 2), params=settings,
        checkpoints=Checkpoints(folder), augment=RadiographAugment(AugmentParams()),
        on_epoch=watch, save_every_s=0.0,
    )  # fmt: skip


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_training_learns_what_can_be_learned(tmp_path: Path) -> None:
    result = fitted(tmp_path, epochs=8)
    assert result.best.score > 0.95
    assert result.history[-1].loss < result.history[0].loss


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    first, second = fitted(tmp_path / "a"), fitted(tmp_path / "b")
    assert same(first.weights, second.weights)


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    first, second = fitted(tmp_path / "a"), fitted(tmp_path / "b", seed=8)
    assert not same(first.weights, second.weights)


@pytest.mark.parametrize("optimiser", ["momentum", "adamw", "rmsprop"])
@pytest.mark.parametrize("schedule", ["one_cycle", "plateau"])
def test_a_killed_training_ends_with_the_weights_of_an_uninterrupted_one(
    tmp_path: Path, optimiser: str, schedule: str
) -> None:
    chosen = {"optimiser": optimiser, "schedule": schedule}
    whole = fitted(tmp_path / "whole", **chosen)
    with pytest.raises(KilledError):
        fitted(tmp_path / "cut", stop_after=2, **chosen)
    resumed = fitted(tmp_path / "cut", **chosen)
    assert resumed.resumed_after == 2
    assert same(whole.weights, resumed.weights)
    assert [e.loss for e in whole.history] == [e.loss for e in resumed.history]


def test_a_training_killed_inside_an_epoch_goes_on_with_the_next_batch(
    tmp_path: Path,
) -> None:
    def run(folder: str, augment: torch.nn.Module) -> Fitted:
        return learner.fit(
            network(), get("binary"), train=rows(40, 1), val=rows(24, 2),
            params=TrainParams(**FAST), checkpoints=Checkpoints(tmp_path / folder),
            augment=augment, save_every_s=0.0,
        )  # fmt: skip

    whole = run("whole", Noisy(dies_at=None))
    with pytest.raises(KilledError):
        run("cut", Noisy(dies_at=8))  # the fourth of five batches of the second epoch
    assert (tmp_path / "cut" / "00001-0000003.pt").exists()
    assert same(whole.weights, run("cut", Noisy(dies_at=None)).weights)


def test_a_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    whole = fitted(tmp_path)
    again = fitted(tmp_path, stop_after=3)  # would raise if an epoch were run
    assert again.resumed_after == 3
    assert same(whole.weights, again.weights)


def test_a_broken_checkpoint_falls_back_to_the_one_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = fitted(tmp_path / "whole")
    with pytest.raises(KilledError):
        fitted(tmp_path / "cut", stop_after=2)
    newest = tmp_path / "cut" / "00002-0000000.pt"
    newest.write_bytes(newest.read_bytes()[:1000])
    resumed = fitted(tmp_path / "cut")
    assert resumed.resumed_after == 1
    assert "is not whole" in caplog.text
    assert same(whole.weights, resumed.weights)


def test_early_stopping_keeps_the_best_epoch(tmp_path: Path) -> None:
    result = fitted(tmp_path, epochs=30, early_stopping=2)
    assert len(result.history) == result.best.number + 2 < 30
    best = max(result.history, key=lambda epoch: (epoch.score, -epoch.val_loss))
    assert result.best == best


def test_the_network_ends_with_the_best_weights(tmp_path: Path) -> None:
    trained = network()
    result = learner.fit(
        trained, get("binary"), train=rows(16, 1), val=rows(8, 2), params=TrainParams(**FAST),
        checkpoints=Checkpoints(tmp_path),
    )  # fmt: skip
    assert same(trained.state_dict(), result.weights)
    assert all(weight.is_contiguous() for weight in result.weights.values())


def test_each_epoch_is_one_line_with_its_figures(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    fitted(tmp_path)
    lines = [r.message for r in caplog.records if r.name == "medpipe.learning.learner"]
    assert len(lines) == 3
    assert lines[2].startswith("epoch 3/3: loss ")
    assert "val auroc" in lines[2]
    assert "examples/s, 0:00:00 left" in lines[2]
    assert capfd.readouterr().out == ""


def test_training_leaves_the_random_state_of_its_caller(tmp_path: Path) -> None:
    model = network()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    learner.fit(
        model, get("binary"), train=rows(8, 1), val=rows(8, 2),
        params=TrainParams(**{**FAST, "epochs": 1}), checkpoints=Checkpoints(tmp_path),
    )  # fmt: skip
    assert torch.equal(torch.rand(3), expected)


def test_l1_makes_weights_smaller(tmp_path: Path) -> None:
    def size(result: Fitted) -> float:
        return float(result.weights["hidden.weight"].abs().sum())

    assert size(fitted(tmp_path / "a", l1=0.01)) < size(fitted(tmp_path / "b"))


def test_a_training_that_diverges_says_which_parameter_to_lower(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"diverged in epoch 1.*learning_rate \(now 10\.0\)"):
        fitted(tmp_path, optimiser="sgd", learning_rate=10.0, gradient_clip=0.0, l1=1e30)


def test_one_class_only_is_refused(tmp_path: Path) -> None:
    train = rows(8, 1)
    ones = Rows(train.inputs, np.ones(8, dtype=np.float32))
    with pytest.raises(DataError, match="0 with label 0 and 8 with label 1"):
        learner.fit(
            network(), get("binary"), train=ones, val=rows(8, 2), params=TrainParams(**FAST),
            checkpoints=Checkpoints(tmp_path),
        )  # fmt: skip


def test_val_with_one_class_is_judged_by_its_loss(tmp_path: Path) -> None:
    val = rows(8, 2)
    ones = Rows(val.inputs, np.ones(8, dtype=np.float32))
    result = learner.fit(
        network(), get("binary"), train=rows(16, 1), val=ones, params=TrainParams(**FAST),
        checkpoints=Checkpoints(tmp_path),
    )  # fmt: skip
    assert np.isnan(result.best.score)
    assert result.best.val_loss == min(epoch.val_loss for epoch in result.history)


def test_the_weights_of_the_last_epoch_are_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    # At this rate the network gets worse with every step.
    best, last = (
        fitted(tmp_path / keep, keep=keep, learning_rate=0.3, schedule="constant", epochs=4)
        for keep in ("best", "last")
    )
    assert [e.score for e in best.history] == [e.score for e in last.history]
    assert last.best == last.history[-1]
    assert best.best.score >= last.best.score
    resumed = fitted(tmp_path / "last", keep="last", learning_rate=0.3, epochs=4)
    assert same(resumed.weights, last.weights)
