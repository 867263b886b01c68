"""Fits a network, on one processor or many, and goes on where a killed training stood.

Lightning Fabric gives devices, precision and processes; the loop is written out, because it must
be exact: what a step does is a function of the state before it, the seed, the epoch and its number,
so a resumed training ends with the very weights of one that was never interrupted.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.rank_zero import rank_zero_only
from numpy.typing import NDArray
from torch import Tensor, nn

from medpipe.config import TrainParams
from medpipe.errors import DivergedError, ParamsError
from medpipe.learning import batches, hardware, optimisers
from medpipe.learning.batches import Batch, Rows
from medpipe.learning.checkpoints import Checkpoints
from medpipe.learning.hardware import Hardware
from medpipe.objectives.objective import Objective

_SAVE_EVERY_S = 300.0
"""Between checkpoints inside a long epoch: the most that a kill can cost."""
_SAVING_MAX = 0.02
"""Share of the time that may go into checkpoints after epochs, where epochs are very short."""
_SCORED_AT_ONCE = 256
_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave; `number` counts from 1, `score` is the objective's selection on val."""

    number: int
    loss: float
    val_loss: float
    score: float
    learning_rate: float
    seconds: float
    examples_per_s: float


@dataclass(frozen=True)
class Fitted:
    """A training that has ended.

    Parameters
    ----------
    weights : of the epoch that is kept, by parameter name, on the CPU
    best : that epoch
    resumed_after : epochs that an earlier, killed process had finished; None where there was none
    is_main : whether this process is the one that writes, of several
    """

    weights: dict[str, Tensor]
    best: Epoch
    history: tuple[Epoch, ...]
    hardware: Hardware
    resumed_after: int | None
    is_main: bool


def is_main_process() -> bool:
    """Whether this process is the first of a training's; the others must not write."""
    return bool(rank_zero_only.rank in (0, None))


def fit(
    network: nn.Module,
    objective: Objective,
    *,
    train: Rows,
    val: Rows,
    params: TrainParams,
    checkpoints: Checkpoints,
    augment: nn.Module | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    save_every_s: float = _SAVE_EVERY_S,
) -> Fitted:
    """Fit `network` in place; it ends with the weights of the epoch that is kept, on the CPU.

    With `params.keep` "best" that is the one of highest `objective.selection` on val, of equal ones
    of the lowest val loss; with "last" it is the last, whatever val says.
    `on_epoch` is called in the main process after each epoch that this process finished.

    Raises
    ------
    DataError : a class has no training rows
    ParamsError : hardware that is not there, or fewer rows than processes
    DivergedError : a loss is not finite
    StorageError : a checkpoint cannot be written
    """
    chosen = hardware.choose(params)
    if params.threads:
        torch.set_num_threads(params.threads)
    fabric = _launched(chosen)
    with hardware.exact(fabric.device):
        training = _Training(fabric, network, objective, train, val, params, augment)
        resumed = training.resume(checkpoints)
        while not training.finished:
            training.run_epoch(checkpoints, save_every_s)
            if fabric.is_global_zero:
                on_epoch(training.history[-1])
    network.to("cpu").to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    network.load_state_dict(training.best_weights)
    return Fitted(
        weights=training.best_weights,
        best=training.history[training.kept],
        history=tuple(training.history),
        hardware=chosen,
        resumed_after=resumed,
        is_main=fabric.is_global_zero,
    )


class _Training:
    """The state of a training, and the steps that change it."""

    def __init__(
        self,
        fabric: Fabric,
        network: nn.Module,
        objective: Objective,
        train: Rows,
        val: Rows,
        params: TrainParams,
        augment: nn.Module | None,
    ) -> None:
        self.fabric, self.objective, self.params = fabric, objective, params
        self.on_gpu = fabric.device.type == "cuda"
        self.network, self.train, self.val = network, train, val
        self.augment = None if augment is None else augment.to(fabric.device)
        self.weights = objective.class_weights(train.targets, params.class_weights)
        if params.channels_last:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = optimisers.optimiser(network, params)
        self.module, self.stepper = fabric.setup(network, self.optimiser)
        self.penalised = optimisers.penalised(network) if params.l1 else []
        if len(self._plan(0)[-1]) < fabric.world_size:
            raise ParamsError(
                f"{len(train)} training rows in batches of {params.batch_size} leave some of "
                f"{fabric.world_size} processes without a row; raise batch_size or lower devices"
            )
        self.history: list[Epoch] = []
        self.best_weights: dict[str, Tensor] = {}
        self.epoch, self.batch, self.loss_sum = 0, 0, self._zero()
        self.saved, self.saving_s = time.perf_counter(), 0.0  # when, and how long it took

    @property
    def best(self) -> int:
        """Index of the best epoch so far."""
        keys = [(-math.inf if math.isnan(e.score) else e.score, -e.val_loss) for e in self.history]
        return keys.index(max(keys))

    @property
    def kept(self) -> int:
        """Index of the epoch whose weights the training would end with now."""
        return self.best if self.params.keep == "best" else len(self.history) - 1

    @property
    def finished(self) -> bool:
        patience = self.params.early_stopping
        stale = bool(patience and self.history and self.epoch - 1 - self.best >= patience)
        return stale or self.epoch >= self.params.epochs

    def resume(self, checkpoints: Checkpoints) -> int | None:
        """Take up the newest state; gives the epochs it had finished, None where there was none."""
        state = checkpoints.newest() if self.fabric.is_global_zero else None
        state = self.fabric.broadcast(state)  # other machines may not see the folder
        if state is None:
            return None
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.history = [Epoch(**values) for values in state["history"]]
        self.best_weights = state["best_weights"]
        self.epoch, self.batch = state["epoch"], state["batch"]
        self.loss_sum = self._zero() + state["loss_sum"]
        _log.info(
            "resumed after epoch %d of %d, batch %d", self.epoch, self.params.epochs, self.batch
        )
        return self.epoch

    def run_epoch(self, checkpoints: Checkpoints, save_every_s: float) -> None:
        """The rest of the current epoch, its validation, and a checkpoint."""
        started = time.perf_counter()
        plan, seen = self._plan(self.epoch), 0
        rank, world = self.fabric.global_rank, self.fabric.world_size
        mine = [batch[rank::world] for batch in plan[self.batch :]]
        self.module.train()
        for batch in batches.fetched(self.train, mine, pinned=self.on_gpu):
            self._step(batch, steps=len(plan))
            self.batch, seen = self.batch + 1, seen + len(batch[1]) * world
            if time.perf_counter() - self.saved > save_every_s and self.batch < len(plan):
                self._save(checkpoints)
        if self.on_gpu:
            torch.cuda.synchronize()  # it still works on the last batches
        trained = time.perf_counter() - started
        self._validate(started, examples_per_s=seen / trained)
        pause_s = min(save_every_s, self.saving_s / _SAVING_MAX)
        if self.finished or time.perf_counter() - self.saved > pause_s:
            self._save(checkpoints)

    def _step(self, batch: Batch, *, steps: int) -> None:
        """One batch, forward, backward and update, by the rate and the draws of this very step."""
        p = self.params
        _seed(
            _step_seed(p.seed, self.epoch, self.batch, self.fabric.global_rank), self.fabric.device
        )
        self._set_rate((self.epoch * steps + self.batch) / (p.epochs * steps))
        inputs, targets = self.fabric.to_device(batch)
        if self.augment is not None:
            changed = self.augment(*inputs)
            inputs = changed if isinstance(changed, tuple) else (changed,)
        logits = self.module(*inputs)
        if logits.shape[1:] != (self.objective.outputs,):
            raise ParamsError(
                f"the network gives {tuple(logits.shape)} where {self.objective.name} needs "
                f"{self.objective.outputs} outputs; build it with objectives.of(workload).outputs"
            )
        loss = self.objective.loss(
            logits, targets, weights=self.weights, smoothing=p.label_smoothing
        )
        penalty = sum((weight.abs().sum() for weight in self.penalised), torch.tensor(0.0))
        self.fabric.backward(loss + p.l1 * penalty if self.penalised else loss)
        if p.gradient_clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), p.gradient_clip)
        self.stepper.step()
        self.stepper.zero_grad(set_to_none=True)
        self.loss_sum += loss.detach() * len(targets)

    def _validate(self, started: float, *, examples_per_s: float) -> None:
        """Close the epoch: score val, note it, keep the weights if they are the best."""
        logits = self._logits(self.val)
        loss = float(self.fabric.all_reduce(self.loss_sum, reduce_op="sum")) / len(self.train)
        val_loss = float(
            self.objective.loss(
                logits, torch.from_numpy(self.val.targets), weights=self.weights, smoothing=0.0
            )
        )
        if not (math.isfinite(loss) and math.isfinite(val_loss)):
            raise DivergedError(
                f"training diverged in epoch {self.epoch + 1}: loss {loss}, val loss {val_loss}; "
                f"lower train.learning_rate (now {self.params.learning_rate}) or set gradient_clip"
            )
        epoch = Epoch(
            number=self.epoch + 1,
            loss=loss,
            val_loss=val_loss,
            score=self.objective.score(self.val.targets, logits.numpy()),
            learning_rate=self.optimiser.param_groups[0]["lr"],
            seconds=time.perf_counter() - started,
            examples_per_s=examples_per_s,
        )
        self.history.append(epoch)
        if self.kept == self.epoch:
            self.best_weights = _copied(self.network)
        self.epoch, self.batch, self.loss_sum = self.epoch + 1, 0, self._zero()
        if self.fabric.is_global_zero:
            self._report(epoch)

    def _logits(self, rows: Rows) -> Tensor:
        """Logits (N, K) on the CPU, each process scoring its share."""
        rank, world = self.fabric.global_rank, self.fabric.world_size
        mine = (rank + world * np.arange(math.ceil(len(rows) / world))) % len(rows)
        self.module.eval()
        with torch.inference_mode():
            pieces = batches.fetched(rows, _pieces(mine, _SCORED_AT_ONCE), pinned=self.on_gpu)
            found = [self.module(*self.fabric.to_device(inputs)).float() for inputs, _ in pieces]
            gathered = self.fabric.all_gather(torch.cat(found))  # (world, share, K), or (N, K)
        if world > 1:
            gathered = gathered.transpose(0, 1).flatten(0, 1)[: len(rows)]
        logits: Tensor = gathered.cpu().clone()
        return logits

    def _save(self, checkpoints: Checkpoints) -> None:
        if not self.fabric.is_global_zero:
            return
        state = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "history": [asdict(epoch) for epoch in self.history],
            "best_weights": self.best_weights,
            "epoch": self.epoch,
            "batch": self.batch,
            "loss_sum": float(self.loss_sum),
        }
        started = time.perf_counter()
        checkpoints.save(state, epoch=self.epoch, batch=self.batch)
        self.saved = time.perf_counter()
        self.saving_s = self.saved - started

    def _plan(self, epoch: int) -> list[NDArray[np.int64]]:
        p = self.params
        return batches.plan(len(self.train), batch_size=p.batch_size, seed=p.seed, epoch=epoch)

    def _set_rate(self, done: float) -> None:
        losses = [epoch.val_loss for epoch in self.history]
        factor = optimisers.rate_factor(self.params.schedule, done=done, val_losses=losses)
        for group in self.optimiser.param_groups:
            group["lr"] = self.params.learning_rate * factor

    def _zero(self) -> Tensor:
        return torch.zeros((), dtype=torch.float64, device=self.fabric.device)

    def _report(self, epoch: Epoch) -> None:
        mean = sum(e.seconds for e in self.history) / len(self.history)
        left = timedelta(seconds=round(mean * (self.params.epochs - epoch.number)))
        _log.info(
            "epoch %d/%d: loss %.4f, val loss %.4f, val %s %.4f, %.0f examples/s, %s left",
            epoch.number, self.params.epochs, epoch.loss, epoch.val_loss,
            self.objective.selection, epoch.score, epoch.examples_per_s, left,
        )  # fmt: skip


def _launched(chosen: Hardware) -> Fabric:
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces what we report
    fabric = Fabric(
        accelerator=chosen.accelerator,
        devices=chosen.devices,
        num_nodes=chosen.nodes,
        strategy=chosen.strategy,
        precision=_PRECISION[chosen.precision],
    )
    fabric.launch()
    return fabric


def _seed(seed: int, device: torch.device) -> None:
    """Seed the generators that a step draws from.

    `torch.manual_seed` also notes down, with a stack trace, what every absent accelerator should be
    seeded with one day: 0.6 ms a step, a tenth of a step of a small network.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def _step_seed(*facts: int) -> int:
    """A seed for torch that differs for every step and process, however the numbers are chosen."""
    return int(np.random.SeedSequence(facts).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _pieces(rows: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _copied(network: nn.Module) -> dict[str, Any]:
    return {
        name: value.detach().to("cpu", copy=True).contiguous()
        for name, value in network.state_dict().items()
    }
