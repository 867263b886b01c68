"""weights → ONNX: what is served, in each variant, and how closely it agrees with the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from medpipe import files, objectives
from medpipe.artefact import distance, exported, fp16, graph, int8, parity, program
from medpipe.config import Params
from medpipe.errors import DataError, MissingStageError
from medpipe.nn import channels
from medpipe.objectives.objective import Floats, Objective
from medpipe.paths import Layout
from medpipe.tables.ready import Ready
from medpipe.workload import Workload

_PROGRAM = f"{exported.EXECUTORCH}.pte"
_FP32_MAX = 1e-3
"""Of probability. The same arithmetic in another order differs by 1e-6; this much is a fault."""


def export(workload: Workload, params: Params, layout: Layout) -> dict[str, Any]:
    """Write the artefact of the weights at hand to ``layout.onnx``, whole or not at all.

    Raises
    ------
    MissingStageError : there are no weights, or not those that ``model.json`` describes
    DataError : no rows to compare on, or the fp32 artefact disagrees with the network
    """
    network, facts = _trained(workload, params, layout)
    before = _unpruned(workload, params, layout, facts)
    ready = Ready(layout.ready)
    objective = objectives.of(workload, ready.frame("train"))
    inputs, targets = _rows(ready, "val", params.export.parity_examples, objective)
    expected = parity.logits(network, inputs)
    with files.new_folder(layout.onnx) as folder:
        graph.export(network, inputs, folder / "fp32.onnx")
        if "int8" in params.export.variants:
            seen, _ = _rows(ready, "train", params.export.calibration_examples, objective)
            int8.quantise(folder / "fp32.onnx", folder / "int8.onnx", seen)
        if "fp16" in params.export.variants:
            fp16.halve(folder / "fp32.onnx", folder / "fp16.onnx")
        known, _ = _rows(ready, "train", params.export.familiar_examples, objective)
        clouds = {name: distance.add(folder / f"{name}.onnx", known) for name in _made(params)}
        agreement = {
            name: parity.compare(
                folder / f"{name}.onnx", inputs, targets, expected=expected, objective=objective
            )
            for name in _made(params)
        }
        _check(agreement["fp32"])
        if before is not None:  # for the report to compare with; never served
            graph.export(before, inputs, folder / f"{exported.UNPRUNED}.onnx")
            distance.add(folder / f"{exported.UNPRUNED}.onnx", known)
        if params.export.executorch:
            program.write(network, clouds["fp32"], inputs, folder / _PROGRAM)
            runs = program.Program(folder / _PROGRAM)
            agreement[exported.EXECUTORCH] = parity.agreement(
                runs.score(inputs), targets, expected=expected, objective=objective
            )
            _check(agreement[exported.EXECUTORCH], exported.EXECUTORCH)
        files.write_json(folder / "parity.json", agreement)
        files.write_json(folder / "state.json", facts["state"])
        run_id = files.read_json(layout.weights / "run.json", made_by=_made_by(layout))["run_id"]
        files.write_json(folder / "artefact.json", _described(folder, agreement, facts, run_id))
    return {name: _rounded(entry) for name, entry in agreement.items()}


def _trained(
    workload: Workload, params: Params, layout: Layout
) -> tuple[nn.Module, dict[str, Any]]:
    """The network with its weights, in evaluation mode, and what ``model.json`` says of it."""
    made_by = _made_by(layout)
    facts = files.read_json(layout.weights / "model.json", made_by=made_by)
    network = workload.model(params.model, facts["state"])
    if removed := facts.get("removed"):
        channels.remove_again(network, facts["inputs"], removed)
    return _loaded(network, layout.weights / "weights.safetensors", made_by), facts


def _unpruned(
    workload: Workload, params: Params, layout: Layout, facts: dict[str, Any]
) -> nn.Module | None:
    """The network before it was pruned; None where it was not."""
    if "removed" not in facts:
        return None
    network = workload.model(params.model, facts["state"])
    return _loaded(network, layout.weights / "unpruned.safetensors", _made_by(layout))


def _loaded(network: nn.Module, path: Path, made_by: str) -> nn.Module:
    try:
        network.load_state_dict(load_file(path))
    except (FileNotFoundError, SafetensorError, RuntimeError) as error:
        raise MissingStageError(
            f"{path} does not hold the weights of section model of params.yaml "
            f"({type(error).__name__}); run `{made_by}` again"
        ) from None
    return network.eval()


def _rows(
    ready: Ready, split: str, count: int, objective: Objective
) -> tuple[dict[str, np.ndarray], Floats]:
    """At most `count` rows of `split`, evenly spread: inputs by name, and targets."""
    frame = ready.frame(split)
    if frame.empty:
        raise DataError(
            f"{split} has no rows to export with; change section split of params.yaml and run "
            "`medpipe stage preprocess` again"
        )
    chosen = np.unique(np.linspace(0, len(frame) - 1, min(count, len(frame))).round().astype(int))
    inputs = {name: np.asarray(array[chosen]) for name, array in ready.arrays(split).items()}
    return inputs, objective.targets_in(frame.iloc[chosen])


def _made(params: Params) -> list[str]:
    """fp32 is always there: it is what the other variants are made from."""
    return ["fp32", *(name for name in params.export.variants if name != "fp32")]


def _check(found: dict[str, Any], name: str = "fp32") -> None:
    if not found["probability_max"] <= _FP32_MAX:  # nan is refused, too
        raise DataError(
            f"the {name} artefact differs from the network by {found['probability_max']:.2g} of "
            f"probability on {found['examples']} validation rows; the limit is {_FP32_MAX}. The "
            "export is at fault, not the data: please report it with the section model"
        )


def _described(
    folder: Path, agreement: dict[str, Any], facts: dict[str, Any], run_id: str
) -> dict[str, Any]:
    listed = {
        path.stem: {"file": path.name, "sha256": files.sha256(path)}
        for path in (*folder.glob("*.onnx"), *folder.glob("*.pte"))
    }
    others = (exported.UNPRUNED, exported.EXECUTORCH)
    return {
        "variants": {name: listed[name] for name in agreement if name not in others},
        **{name: listed[name] for name in others if name in listed},
        "inputs": facts["inputs"],
        "outputs": list(distance.OUTPUTS),
        "run_id": run_id,
    }


def _rounded(entry: dict[str, Any]) -> dict[str, Any]:
    return {k: round(v, 5) if isinstance(v, float) else v for k, v in entry.items()}


def _made_by(layout: Layout) -> str:
    return f"medpipe stage train {layout.workload}"
