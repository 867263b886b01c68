"""Training samples per second: the learner against loops that have nothing of it.

ResNet-18 at 1×64×64, batches of 128 on 2 threads. Each round runs every contender once, so that all
see the same machine; the figures are each contender's best, because other work only ever slows.
Processor time per sample is what remains comparable on a machine that is busy with other work.

    python bench/training.py [--rounds 3] [--batches 20]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
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

SIZE_PX = 64
BATCH = 128
THREADS = 2
OURS = "medpipe's learner"
PARAMS = {
    "epochs": 1, "batch_size": BATCH, "device": "cpu", "threads": THREADS, "schedule": "constant",
}  # fmt: skip


def rows(count: int) -> Rows:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 1, SIZE_PX, SIZE_PX), dtype=np.uint8)
    return Rows({"image": images}, (np.arange(count) % 2).astype(np.float32))


def network() -> nn.Module:
    torch.manual_seed(0)
    return build(
        ImageModel(architecture="resnet18"),
        channels=1, outputs=1, size_px=SIZE_PX, mean=127.0, std=74.0,
    )  # fmt: skip


def by_learner(data: Rows) -> float:
    """Samples/s of an epoch as medpipe trains it, as its own log reports them."""
    params = TrainParams.model_validate(PARAMS)
    with tempfile.TemporaryDirectory() as folder:
        fitted = learner.fit(
            network(), objectives.get("binary"), train=data, val=rows(2), params=params,
            checkpoints=Checkpoints(Path(folder)), augment=RadiographAugment(AugmentParams()),
        )  # fmt: skip
    return fitted.history[0].examples_per_s


def by_loop(data: Rows, *, fast: bool = False, augmented: bool = True) -> float:
    """Samples/s of a bare PyTorch loop.

    Parameters
    ----------
    fast : channels last, and bf16 where the processor has it, as the learner does
    augmented : with the same augmentation, and gradients clipped
    """
    params = TrainParams.model_validate(PARAMS)
    net, augment = network().train(), RadiographAugment(AugmentParams())
    if fast:
        net = net.to(memory_format=torch.channels_last)
    bf16 = fast and hardware.choose(params).precision == "bf16"
    optimiser = torch.optim.AdamW(net.parameters(), params.learning_rate, fused=True)
    images = torch.from_numpy(data.inputs["image"])
    targets = torch.from_numpy(data.targets)
    order = torch.randperm(len(data))
    started = time.perf_counter()
    for start in range(0, len(data), BATCH):
        chosen = order[start : start + BATCH]
        x = images[chosen]
        if augmented:
            x = augment(x)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = net(x)[:, 0]
        loss = functional.binary_cross_entropy_with_logits(logits.float(), targets[chosen])
        optimiser.zero_grad()
        loss.backward()
        if augmented:
            nn.utils.clip_grad_norm_(net.parameters(), params.gradient_clip)
        optimiser.step()
    return len(data) / (time.perf_counter() - started)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--batches", type=int, default=20, help="of each contender in each round")
    chosen = options.parse_args()
    torch.set_num_threads(THREADS)
    data = rows(chosen.batches * BATCH)
    contenders: dict[str, Callable[[], float]] = {
        OURS: lambda: by_learner(data),
        "bare loop, same recipe": lambda: by_loop(data, fast=True),
        "bare loop, same recipe, but fp32 and contiguous": lambda: by_loop(data),
        "… and without augmentation": lambda: by_loop(data, augmented=False),
    }
    by_loop(rows(BATCH), fast=True)  # the first batch of a process pays for its kernels
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(chosen.rounds):
        for name, run in contenders.items():
            before = time.process_time()
            rates[name].append(run())
            spent[name].append(1000 * (time.process_time() - before) / len(data))
    precision = hardware.choose(TrainParams.model_validate(PARAMS)).precision
    print("| ResNet-18, 1×64×64, batch 128, 2 threads | samples/s | learner is "
          "| processor ms per sample | learner is |")  # fmt: skip
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
