"""Removes whole channels of convolutions, with all that reads or writes them.

What went is noted, so that a new network can be given the same shape before its weights are loaded:
a file of weights holds no shape, and nothing here is a pickle.

References
----------
Fang et al. 2023, arXiv:2301.12900 (which channels depend on one another: the library's method).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from medpipe.errors import ParamsError

Removed = list[list[Any]]
"""Channels in the order in which they went: [layer, whether its outputs, their places]."""
_KNOWN = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)
"""Layers with weights of which channels can be removed; attention and recurrence are not among."""
_EXAMPLES = 2
"""Rows to trace with: batch norm and tracing may take a size of 1 for fixed."""


def remove(network: nn.Module, inputs: Sequence[Tensor], amount: float) -> Removed:
    """Remove from `network`, in place, those of smallest L2 norm; the last layer keeps its outputs.

    Parameters
    ----------
    inputs : some rows (n, …) in the order of the network's arguments; only shapes and types matter
    amount : share of each layer's channels

    Raises
    ------
    ParamsError : channels cannot be removed from this kind of network, or a layer would keep none
    """
    _check(network, amount)
    import torch_pruning  # delayed: few trainings prune

    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    pruner = torch_pruning.pruner.BasePruner(
        network.eval(),
        tuple(inputs),
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=amount,
        ignored_layers=[last],
    )
    pruner.step()
    history = pruner.pruning_history()
    return [[name, bool(outputs), [int(place) for place in at]] for name, outputs, at in history]


def remove_again(
    network: nn.Module, inputs: Mapping[str, Mapping[str, Any]], removed: Removed
) -> None:
    """Give a new `network` the shape of the one that `removed` was taken out of, in place.

    Parameters
    ----------
    inputs : of model.json: name → {shape, dtype} of one row
    """
    import torch_pruning  # delayed: few trainings prune

    rows = tuple(
        torch.zeros((_EXAMPLES, *each["shape"]), dtype=getattr(torch, each["dtype"]))
        for each in inputs.values()
    )
    graph = torch_pruning.DependencyGraph().build_dependency(network.eval(), example_inputs=rows)
    graph.load_pruning_history(removed)


def _check(network: nn.Module, amount: float) -> None:
    weighty = [m for m in network.modules() if any(True for _ in m.parameters(recurse=False))]
    widths = [module.out_channels for module in weighty if isinstance(module, nn.Conv2d)]
    odd = sorted({type(m).__name__ for m in weighty if not isinstance(m, _KNOWN)})
    if odd or not widths:
        kind = f"this one has {', '.join(odd)}" if odd else "this one has no convolution"
        raise ParamsError(
            "train.prune.method is structured, which removes channels of convolutional networks "
            f"for images; {kind}: take magnitude, or another architecture"
        )
    if min(widths) * (1 - amount) < 1:
        raise ParamsError(
            f"train.prune.amount is {amount}, which leaves nothing of a layer of {min(widths)} "
            f"channels; at most {1 - 1 / min(widths):.2f} can go"
        )
