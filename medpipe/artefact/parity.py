"""How closely an artefact agrees with the network that it was made from, on held-back rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medpipe.objectives.objective import Floats, Objective
from medpipe.serving.session import Session

_ROWS_AT_ONCE = 64
_MIB = 1 << 20


def compare(
    path: Path,
    inputs: Mapping[str, np.ndarray],
    targets: Floats,
    *,
    expected: Floats,
    objective: Objective,
) -> dict[str, Any]:
    """One entry of parity.json: the artefact at `path` against the network's logits.

    Parameters
    ----------
    inputs : rows by input name, (n, …)
    targets : (n,)
    expected : (n,), the network's logits for the same rows, see `logits`

    Returns
    -------
    probability_p95, probability_max (of |difference|), auroc_torch, auroc, auroc_lost (above 0: the
    artefact is worse; the three are None where the rows hold one class), examples, size_mib
    """
    session = Session(path)
    found = np.concatenate([session.score(part) for part in _parts(inputs)])
    agreed = agreement(found, targets, expected=expected, objective=objective)
    return {**agreed, "size_mib": path.stat().st_size / _MIB}


def agreement(
    found: Floats, targets: Floats, *, expected: Floats, objective: Objective
) -> dict[str, Any]:
    """What `compare` gives of logits `found` (n,), but for the size of their file."""
    difference = np.abs(objective.link(found) - objective.link(expected))
    before, after = objective.score(targets, expected), objective.score(targets, found)
    name = objective.selection
    return {
        "probability_p95": float(np.quantile(difference, 0.95)),
        "probability_max": float(difference.max()),
        f"{name}_torch": _known(before),
        name: _known(after),
        f"{name}_lost": _known(before - after),
        "examples": len(found),
    }


def logits(network: nn.Module, inputs: Mapping[str, np.ndarray]) -> NDArray[np.float32]:
    """What `network`, in evaluation mode, gives for rows by input name, (n, …): (n,)."""
    network.eval()
    with torch.inference_mode():
        found = [
            network(*(torch.from_numpy(array) for array in part.values())).squeeze(1)
            for part in _parts(inputs)
        ]
    return np.asarray(torch.cat(found).numpy())


def _parts(inputs: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    count = len(next(iter(inputs.values())))
    return [
        {name: array[start : start + _ROWS_AT_ONCE] for name, array in inputs.items()}
        for start in range(0, count, _ROWS_AT_ONCE)
    ]


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
