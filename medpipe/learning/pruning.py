"""Takes weights out of a network that is fitted, and fits what is left a little longer.

Magnitude sets the smallest weights of all layers to 0 and holds them there: the network keeps its
shape, so its file is as large and as slow as before, and only packs better. Structured removes
whole channels (`nn.channels`), so that file and time shrink.

References
----------
Han et al. 2015, arXiv:1506.02626 (smallest weights, and fitting again afterwards).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from torch import Tensor, nn
from torch.nn.utils import prune as masks

from medpipe.config import PruneParams, TrainParams
from medpipe.learning import learner, optimisers
from medpipe.learning.batches import Rows
from medpipe.learning.checkpoints import Checkpoints
from medpipe.learning.learner import Epoch, Fitted
from medpipe.nn import channels
from medpipe.nn.channels import Removed
from medpipe.objectives.objective import Objective


@dataclass(frozen=True)
class Unpruned:
    """The network before it was pruned.

    Parameters
    ----------
    weights : by parameter name
    best : the epoch that they are of
    removed : what `channels.remove_again` takes out of a new network; empty where none was removed
    """

    weights: dict[str, Tensor]
    best: Epoch
    removed: Removed


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
) -> tuple[Fitted, Unpruned | None]:
    """Fit as `learner.fit`; then, where `params.prune` asks for it, prune, and fit again.

    The history of the second fit goes on where that of the first ends; the epoch that is kept is
    one of the second. Raises as `learner.fit` and `channels.remove` do.
    """
    fitting = partial(learner.fit, network, objective, train=train, val=val, augment=augment)
    first = fitting(params=params, checkpoints=checkpoints, on_epoch=on_epoch)
    asked, done = params.prune, len(first.history)
    if asked.method == "none":
        return first, None
    removed = prune(network, asked, train)
    fine = {"epochs": asked.fine_tune_epochs, "learning_rate": params.learning_rate * asked.rate}
    second = fitting(
        params=params.model_copy(update=fine),
        checkpoints=Checkpoints(checkpoints.folder / "pruned"),
        on_epoch=lambda epoch: on_epoch(_later(epoch, done)),
    )
    unmask(network)
    fitted = replace(
        second,
        weights=dict(network.state_dict()),
        best=_later(second.best, done),
        history=(*first.history, *(_later(epoch, done) for epoch in second.history)),
    )
    return fitted, Unpruned(first.weights, first.best, removed)


def prune(network: nn.Module, asked: PruneParams, rows: Rows) -> Removed:
    """Prune `network` in place, without fitting it again: masks, or channels gone.

    Parameters
    ----------
    rows : of train; only their shapes and types matter
    """
    if asked.method == "structured":
        inputs, _ = rows.at(np.arange(2) % len(rows))
        return channels.remove(network, inputs, asked.amount)
    weighed = optimisers.weighed(network)
    masks.global_unstructured(weighed, pruning_method=masks.L1Unstructured, amount=asked.amount)
    return []


def unmask(network: nn.Module) -> None:
    """Make the noughts weights like others."""
    for module, name in optimisers.weighed(network):
        if name.endswith("_orig"):  # as torch names what it masks
            masks.remove(module, name.removesuffix("_orig"))  # type: ignore[no-untyped-call]


def _later(epoch: Epoch, done: int) -> Epoch:
    return replace(epoch, number=epoch.number + done)
