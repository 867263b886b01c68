"""torch → ExecuTorch: the network as a program for phones and small devices, of one row at a time.

It gives what an answer needs, logit and distance, in fp32 by XNNPACK's kernels; no map. Nothing of
ours runs on such a device: whoever builds for it encodes as `Workload.encode` does, and applies
threshold and limit of settings.json. ExecuTorch is an extra: ``pip install medpipe[edge]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medpipe.errors import ParamsError
from medpipe.serving.session import Judged

if TYPE_CHECKING:
    from torch import nn

    from medpipe.artefact.distance import Cloud


def write(network: nn.Module, cloud: Cloud, inputs: Mapping[str, np.ndarray], path: Path) -> None:
    """Write `network` (on the CPU, in evaluation mode) to `path`.

    Parameters
    ----------
    cloud : that distances are measured from
    inputs : some rows by input name, (n, …), in the order of the network's arguments; only their
        shapes and types matter

    Raises
    ------
    ParamsError : ExecuTorch is not installed
    """
    _check_installed()
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    from medpipe.artefact import graph, judging

    rows = tuple(torch.from_numpy(np.array(array[:1])) for array in inputs.values())
    with graph.quiet():
        traced = torch.export.export(judging.of(network, cloud), rows)
        lowered = to_edge_transform_and_lower(traced, partitioner=[XnnpackPartitioner()])
        path.write_bytes(lowered.to_executorch().buffer)


class Program:
    """The program in `path`, run here as a device would run it.

    Raises
    ------
    ParamsError : ExecuTorch is not installed
    """

    def __init__(self, path: Path) -> None:
        _check_installed()
        from executorch.runtime import Runtime

        self._program: Any = Runtime.get().load_program(path)  # gone, its methods would be, too
        self._method: Any = self._program.load_method("forward")

    def score(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """As `Session.score`."""
        return self.judge(inputs).logit

    def judge(self, inputs: Mapping[str, np.ndarray]) -> Judged:
        """As `Session.judge`, one row after another."""
        import torch

        found = []
        for row in zip(*inputs.values(), strict=True):
            given = [torch.from_numpy(np.array(array[None])) for array in row]
            found.append([each.numpy().copy() for each in self._method.execute(given)])
        logit, distance = (np.concatenate(part) for part in zip(*found, strict=True))
        return Judged(logit, distance)


def _check_installed() -> None:
    if find_spec("executorch") is None:
        raise ParamsError(
            "export.executorch needs ExecuTorch, which is not installed: `pip install "
            "medpipe[edge]`, or set it to false and export again"
        )
