"""torch → ONNX: one graph that scores and explains, and says what it made of an example."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

FEATURES = "features"
OUTPUTS = ("logit", "map", FEATURES)
"""Of what torch exports; `artefact.distance` then puts `distance` in the place of features."""
_EXAMPLES = 2
"""Rows to trace with: the batch axis is dynamic, and tracing may take a size of 1 for fixed."""
_NOISY = (
    "torch.onnx",
    "torch.onnx._internal.exporter._registration",  # tells four times that torchvision is missing
    "onnxscript",
    "onnx_ir",
)


class Explained(nn.Module):
    """A network as it is served: logit (B,), or (B, K), map (B, …), and features (B, F)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, evidence, features = self.network.explain(*inputs)  # type: ignore[operator]
        return logits.squeeze(1) if logits.shape[1] == 1 else logits, evidence, features


def export(network: nn.Module, inputs: Mapping[str, np.ndarray], path: Path) -> None:
    """Write `network` (on the CPU) to `path` with a dynamic batch axis and all weights inside.

    Parameters
    ----------
    inputs : some rows by input name, (n, …), in the order of the network's arguments; only their
        shapes and types matter
    """
    rows = tuple(
        torch.from_numpy(np.repeat(array[:1], _EXAMPLES, axis=0)) for array in inputs.values()
    )
    batch = torch.export.Dim("batch")
    with quiet():
        torch.onnx.export(
            Explained(network).eval(),
            rows,
            path,
            input_names=list(inputs),
            output_names=list(OUTPUTS),
            dynamic_shapes={"inputs": tuple({0: batch} for _ in rows)},
            external_data=False,  # by default even small weights go into a second file
            dynamo=True,
            verbose=False,
        )
    _forget_origin(path)


def needed(graph: onnx.GraphProto, output: str) -> frozenset[str]:
    """Names of the nodes without which `graph` could not give `output`."""
    wanted, names = {output}, set[str]()
    for node in reversed(graph.node):  # topological order, backwards
        if wanted.intersection(node.output):
            wanted.update(node.input)
            names.add(node.name)
    return frozenset(names)


def _forget_origin(path: Path) -> None:
    """Remove from the graph at `path` what the exporter notes of the code that made each node.

    It names folders of this machine, so that the same model made elsewhere would be another file,
    and whoever gets the model could read them.
    """
    proto = onnx.load(path)
    graphs = [proto.graph, *proto.functions]
    for graph in graphs:
        for part in (graph, *graph.node, *graph.value_info):
            del part.metadata_props[:]
            part.doc_string = ""
    onnx.save(proto, path)


@contextmanager
def quiet() -> Iterator[None]:
    """Without what exporter and quantiser say to their developers; errors still come through."""
    before: dict[str, Any] = {name: logging.getLogger(name).level for name in _NOISY}
    root = logging.getLogger()
    errors_only = _ErrorsOnly()
    handlers = list(root.handlers)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    for handler in handlers:
        handler.addFilter(errors_only)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
        for handler in handlers:
            handler.removeFilter(errors_only)


class _ErrorsOnly(logging.Filter):
    """ONNX Runtime's quantiser logs through the root logger, which has no name to silence."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR
