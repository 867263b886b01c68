"""What halving, rounding and pruning bring: size, and time to score one image after another.

ResNet-18 at 1×224×224 with random weights (what a weight is worth costs no time), one thread; every
file answers in turn, so that what else the machine does falls on all alike. Scoring alone: reading
and encoding are the same for all. The peer is torch itself. Medians of 40.

    chrt -r 1 python bench/edge.py      # chrt: before all others on a shared machine
"""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
import numpy as np
import onnx
import torch
from torch import nn

from medpipe import nn as networks
from medpipe.artefact import fp16, graph, int8
from medpipe.config import PruneParams
from medpipe.learning import pruning
from medpipe.learning.batches import Rows
from medpipe.serving import session

SIDE, TIMES, WARM_UP, AMOUNT = 224, 40, 3, 0.5
IMAGES = np.random.default_rng(0).integers(0, 256, (16, 1, SIDE, SIDE), dtype=np.uint8)
Scored = Callable[[np.ndarray], Any]


def main() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # of the exporter, for its developers
    with tempfile.TemporaryDirectory() as scratch:
        files = made(Path(scratch))
        sizes = {name: path.stat().st_size / 2**20 for name, path in files.items()}
        scored = {name: onnx_score(path) for name, path in files.items()}
        times = timed({"torch": torch_score(network()), **scored})
    print("| | MiB | ms | × torch |\n|---|---|---|---|")
    for name, taken in times.items():
        size = f"{sizes[name]:.1f}" if name in sizes else ""
        print(f"| {name} | {size} | {taken:.1f} | {times['torch'] / taken:.1f} |")
    print(f"\n{machine.line('torch', 'onnxruntime')}")


def network(method: str | None = None) -> nn.Module:
    """The same weights each time, pruned by `method` as stage train would."""
    torch.manual_seed(0)
    params = networks.ImageModel(architecture="resnet18")
    built = networks.build(params, channels=1, outputs=1, size_px=SIDE, mean=128.0, std=74.0)
    if method is not None:
        rows = Rows({"image": IMAGES}, np.zeros(len(IMAGES), np.float32))
        pruning.prune(built, PruneParams(method=method, amount=AMOUNT), rows)
        pruning.unmask(built)
    return built.eval()


def made(folder: Path) -> dict[str, Path]:
    """What is measured → its file."""
    found = {}
    for name, method in (("", None), ("magnitude", "magnitude"), ("structured", "structured")):
        path = folder / f"{name}.onnx"
        graph.export(network(method), {"image": IMAGES}, path)
        found[f"{name} fp32".strip()] = path
        if name != "magnitude":
            for kind in ("fp16", "int8"):
                found[f"{name} {kind}".strip()] = folder / f"{name}{kind}.onnx"
            fp16.halve(path, folder / f"{name}fp16.onnx")
            int8.quantise(path, folder / f"{name}int8.onnx", {"image": IMAGES})
    return found


def onnx_score(path: Path) -> Scored:
    runs = session.opened(session.part(onnx.load(path), ["logit"]), 1)
    return lambda image: runs.run(["logit"], {"image": image})


def torch_score(model: nn.Module) -> Scored:
    def score(image: np.ndarray) -> Any:
        with torch.inference_mode():
            return model(torch.from_numpy(image))

    return score


def timed(ways: dict[str, Scored]) -> dict[str, float]:
    """Milliseconds of each, median."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(WARM_UP + TIMES):
        image = IMAGES[turn % len(IMAGES)][None]
        for name, score in ways.items():
            started = time.perf_counter()
            score(image)
            taken[name].append(1000 * (time.perf_counter() - started))
    return {name: statistics.median(times[WARM_UP:]) for name, times in taken.items()}


if __name__ == "__main__":
    main()
