"""Training samples per second: the learner against loops that have nothing of it.

ResNet-18 at 1×64×64, batches of 128 on 2 threads, if not told otherwise. Each round runs every
contender once, so that all see the same machine; the figures are each contender's best, because
other work only ever slows.
Processor time per sample is what remains comparable on a machine that is busy with other work.

    python bench/training.py [--rounds 3] [--batches 20]
    python bench/training.py --device gpu --architecture resnet50 --size 224 --batches 100
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import machine
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from medpipe import objectives
from medpipe.config import TrainParams
from medpipe.learning import hardware, learner
from medpipe.learning.batches import Rows
from medpipe.learning.checkpoints import Checkpoints
from medpipe.nn import ImageModel, build
from medpipe.nn.augment import RadiographAugment
from medpipe.nn.params import AugmentParams

OURS = "medpipe's learner"


@dataclass(frozen=True)
class Setting:
    """What every contender trains, and on what."""

    architecture: str
    size_px: int
    batch: int
    threads: int
    device: str

    @property
    def torch_device(self) -> str:
        return "cuda" if self.device == "gpu" else "cpu"

    @property
    def params(self) -> TrainParams:
        return TrainParams.model_validate({
            "epochs": 1, "batch_size": self.batch, "device": self.device, "threads": self.threads,
            "schedule": "constant",
        })  # fmt: skip

    def __str__(self) -> str:
        size = f"1×{self.size_px}×{self.size_px}"
        where = f"{self.threads} threads" if self.device == "cpu" else torch.cuda.get_device_name()
        return f"{self.architecture}, {size}, batch {self.batch}, {where}"


def rows(count: int, setting: Setting) -> Rows:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 1, setting.size_px, setting.size_px), dtype=np.uint8)
    return Rows({"image": images}, (np.arange(count) % 2).astype(np.float32))


def network(setting: Setting) -> nn.Module:
    torch.manual_seed(0)
    return build(
        ImageModel.model_validate({"architecture": setting.architecture}),
        channels=1, outputs=1, size_px=setting.size_px, mean=127.0, std=74.0,
    )  # fmt: skip


def by_learner(data: Rows, setting: Setting) -> float:
    """Samples/s of an epoch as medpipe trains it, as its own log reports them."""
    with tempfile.TemporaryDirectory() as folder:
        fitted = learner.fit(
            network(setting), objectives.get("binary"), train=data, val=rows(2, setting),
            params=setting.params,
            checkpoints=Checkpoints(Path(folder)), augment=RadiographAugment(AugmentParams()),
        )  # fmt: skip
    return fitted.history[0].examples_per_s


def by_loop(data: Rows, setting: Setting, *, fast: bool = False, augmented: bool = True) -> float:
    """Samples/s of a bare PyTorch loop.

    Parameters
    ----------
    fast : channels last, and bf16 where the processor has it, as the learner does
    augmented : with the same augmentation, and gradients clipped
    """
    params, device = setting.params, setting.torch_device
    net = network(setting).train().to(device)
    augment = RadiographAugment(AugmentParams()).to(device)
    if fast:
        net = net.to(memory_format=torch.channels_last)
    bf16 = fast and hardware.choose(params).precision == "bf16"
    optimiser = torch.optim.AdamW(net.parameters(), params.learning_rate, fused=True)
    images = torch.from_numpy(data.inputs["image"])
    targets = torch.from_numpy(data.targets)
    order = torch.randperm(len(data))
    started = time.perf_counter()
    for start in range(0, len(data), setting.batch):
        chosen = order[start : start + setting.batch]
        x, y = images[chosen].to(device), targets[chosen].to(device)
        if augmented:
            x = augment(x)
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            logits = net(x)[:, 0]
        loss = functional.binary_cross_entropy_with_logits(logits.float(), y)
        optimiser.zero_grad()
        loss.backward()
        if augmented:
            nn.utils.clip_grad_norm_(net.parameters(), params.gradient_clip)
        optimiser.step()
    if device == "cuda":
        torch.cuda.synchronize()
    return len(data) / (time.perf_counter() - started)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--batches", type=int, default=20, help="of each contender in each round")
    options.add_argument("--architecture", default="resnet18")
    options.add_argument("--size", type=int, default=64, help="pixels on a side")
    options.add_argument("--batch", type=int, default=128)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    chosen = options.parse_args()
    setting = Setting(chosen.architecture, chosen.size, chosen.batch, chosen.threads, chosen.device)
    torch.set_num_threads(chosen.threads)
    data = rows(chosen.batches * chosen.batch, setting)
    contenders: dict[str, Callable[[], float]] = {
        OURS: lambda: by_learner(data, setting),
        "bare loop, same recipe": lambda: by_loop(data, setting, fast=True),
        "bare loop, same recipe, but fp32 and contiguous": lambda: by_loop(data, setting),
        "… and without augmentation": lambda: by_loop(data, setting, augmented=False),
    }
    by_loop(rows(chosen.batch, setting), setting, fast=True)  # the first pays for its kernels
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(chosen.rounds):
        for name, run in contenders.items():
            before = time.process_time()
            rates[name].append(run())
            print(f"{name}: {rates[name][-1]:.0f} samples/s", file=sys.stderr, flush=True)
            spent[name].append(1000 * (time.process_time() - before) / len(data))
    precision = hardware.choose(setting.params).precision
    print(f"| {setting} | samples/s | learner is | processor ms per sample | learner is |")
    print("| --- | --- | --- | --- | --- |")
    for name in contenders:
        rate, cost = max(rates[name]), min(spent[name])
        print(
            f"| {name} | {rate:.0f} | {max(rates[OURS]) / rate:.2f} × "
            f"| {cost:.1f} | {cost / min(spent[OURS]):.2f} × |"
        )
    print(f"\n{machine.line('torch')}, precision auto = {precision}")


if __name__ == "__main__":
    main()
