"""What a training is made of: its rows, its network, and all that decides the weights.

Shared by stage train and by tuning, so that a trial is the very training that its values give.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from medpipe import __version__, files
from medpipe.config import Params, effective
from medpipe.errors import DataError
from medpipe.learning.batches import Rows
from medpipe.learning.learner import Epoch
from medpipe.nn import pretrained
from medpipe.objectives.objective import Objective
from medpipe.tables.ready import Ready
from medpipe.workload import Workload


def rows(ready: Ready, split: str, objective: Objective) -> Rows:
    """The rows of one side, as memory maps.

    Raises
    ------
    DataError : the side has no rows, or a label is outside the objective's set
    """
    frame = ready.frame(split)
    if frame.empty:
        raise DataError(
            f"{split} has no rows; add patients, or change section split of params.yaml, and run "
            "`medpipe stage preprocess` again"
        )
    return Rows(ready.arrays(split), objective.targets_in(frame))


def network(workload: Workload, params: Params, state: dict[str, Any], root: Path) -> nn.Module:
    """The network as training finds it: its random start depends on the seed alone."""
    with torch.random.fork_rng():
        torch.manual_seed(params.train.seed)
        made = workload.model(params.model, state)
    if (start := _init_from(params, root)) is not None:
        pretrained.load(made, start)
    return made


def facts(params: Params, ready: Ready, root: Path) -> dict[str, Any]:
    """Everything that decides the weights; a checkpoint of other facts is another training's."""
    start = _init_from(params, root)
    chosen = effective(params)
    return {
        "receipt": ready.receipt,
        "preprocess": ready.params,
        "state": ready.state,
        "train": chosen["train"],
        "augment": chosen["augment"],
        "model": chosen["model"],
        "init_from": files.sha256(start) if start is not None and start.is_file() else None,
        "versions": [__version__, torch.__version__],
    }


def figures(epoch: Epoch, objective: Objective) -> dict[str, float]:
    """An epoch under the names that MLflow and DVC's plots show."""
    values = asdict(epoch)
    del values["number"]
    values[f"val_{objective.selection}"] = values.pop("score")
    return {name: float(value) for name, value in values.items()}


def _init_from(params: Params, root: Path) -> Path | None:
    """The file of weights to start from, if the workload's section `model` has such a key."""
    named = getattr(params.model, "init_from", None)
    return root / named if named else None
