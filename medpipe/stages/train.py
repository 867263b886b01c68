"""ready → weights: fits the workload's network, resumes after a kill, and tells MLflow."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from medpipe import files, lineage, objectives, tracking
from medpipe.config import Params, effective, flat
from medpipe.evaluation import learning_curves
from medpipe.learning import checkpoints, learner, pruning, training
from medpipe.learning.checkpoints import Checkpoints
from medpipe.learning.learner import Epoch, Fitted
from medpipe.learning.pruning import Unpruned
from medpipe.objectives.objective import Objective
from medpipe.paths import Layout
from medpipe.tables.ready import Ready
from medpipe.workload import Workload

_RUN = "run.json"
"""The MLflow run: beside checkpoints the one to go on with, beside weights the one they are of."""


def train(workload: Workload, params: Params, layout: Layout) -> dict[str, Any]:
    """Fit the network of `workload` and write ``layout.weights``, whole or not at all.

    Of several processes only the first writes; the others return an empty outcome.

    Raises
    ------
    DataError : train or val has no rows, or train lacks a class
    ParamsError : hardware, weights to start from, or a learning rate that diverges
    TrackingError : MLflow cannot be reached
    """
    ready = Ready(layout.ready)
    objective = objectives.of(workload, ready.frame("train"))
    rows = {split: training.rows(ready, split, objective) for split in ("train", "val")}
    network = training.network(workload, params, ready.state, layout.root)
    states = checkpoints.opened(layout.checkpoints, training.facts(params, ready, layout.root))
    with _recording(layout, params, ready, states) as run:

        def on_epoch(epoch: Epoch) -> None:
            if run is not None:
                run.metrics(epoch.number, training.figures(epoch, objective))

        fitted, unpruned = pruning.fit(
            network,
            objective,
            train=rows["train"],
            val=rows["val"],
            params=params.train,
            checkpoints=states,
            augment=workload.augment(params.augment),
            on_epoch=on_epoch,
        )
        if run is None:
            return {}
        run.metrics(fitted.best.number, {"best_epoch": fitted.best.number})
        history = [{"epoch": e.number, **training.figures(e, objective)} for e in fitted.history]
        with files.new_folder(layout.training) as folder:
            selection, best = objective.selection, fitted.best.number
            learning_curves.write(folder, history, selection=selection, best=best)
        with files.new_folder(layout.weights) as folder:
            _write(folder, fitted, history, run.id)
            files.write_json(folder / "params.json", effective(params))
            described = _described(network, params, ready)
            if unpruned is not None:
                save_file(unpruned.weights, folder / "unpruned.safetensors")
                described["removed"] = unpruned.removed
            files.write_json(folder / "model.json", described)
    states.remove()
    return _outcome(fitted, objective, run.id) | _before(unpruned, objective)


@contextmanager
def _recording(
    layout: Layout, params: Params, ready: Ready, states: Checkpoints
) -> Iterator[tracking.Run | None]:
    """The MLflow run of this training, the earlier one where a training is resumed."""
    if not learner.is_main_process():
        yield None
        return
    note = states.folder / _RUN
    earlier = files.read_json(note, made_by="train")["run_id"] if note.is_file() else None
    tags = lineage.tags(layout) | {"data.receipt": str(ready.receipt.get("digest"))}
    with tracking.training_run(
        layout, name=f"train {layout.workload}", params=flat(params), tags=tags, run_id=earlier
    ) as run:
        files.write_json(note, {"run_id": run.id})
        yield run


def _write(
    folder: Path, fitted: Fitted, history: Sequence[Mapping[str, float]], run_id: str
) -> None:
    save_file(fitted.weights, folder / "weights.safetensors")
    with (folder / "history.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(history[0]))
        table.writeheader()
        # An undefined figure is an empty cell: DVC's plots and MLflow leave it out.
        table.writerows({k: "" if v != v else v for k, v in line.items()} for line in history)
    files.write_json(folder / _RUN, {"run_id": run_id, "best_epoch": fitted.best.number})


def _described(network: nn.Module, params: Params, ready: Ready) -> dict[str, Any]:
    inputs = {
        name: {"shape": list(array.shape[1:]), "dtype": str(array.dtype)}
        for name, array in ready.arrays("train").items()
    }
    return {
        "model": effective(params)["model"],
        "state": ready.state,
        "inputs": inputs,
        "parameters": sum(weight.numel() for weight in network.parameters()),
    }


def _outcome(fitted: Fitted, objective: Objective, run_id: str) -> dict[str, Any]:
    score = fitted.best.score
    return {
        "run_id": run_id,
        "epochs": len(fitted.history),
        "best_epoch": fitted.best.number,
        f"val_{objective.selection}": None if score != score else round(score, 4),
        "examples_per_s": round(fitted.history[-1].examples_per_s, 1),
        "resumed_after": fitted.resumed_after,
        "device": fitted.hardware.name,
        "precision": fitted.hardware.precision,
    }


def _before(unpruned: Unpruned | None, objective: Objective) -> dict[str, Any]:
    """The score on val before the network was pruned; after it is the outcome's own."""
    if unpruned is None:
        return {}
    score = unpruned.best.score
    return {f"val_{objective.selection}_unpruned": None if score != score else round(score, 4)}
