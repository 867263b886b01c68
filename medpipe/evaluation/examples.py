"""Which examples are shown with their explanation: by rule, so that nobody picks pretty ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from medpipe.evaluation.measures.contract import Chosen
from medpipe.evaluation.page import Explained
from medpipe.evaluation.sample import Floats
from medpipe.serving.session import Mapped
from medpipe.workload import Row, State, Workload

Explain = Callable[[Mapping[str, np.ndarray]], Mapped]


def choose(
    names: Sequence[str], labels: np.ndarray, probabilities: Floats, *, at: float, count: int
) -> list[Chosen]:
    """Up to `count` rows: finds, misses and false alarms in equal parts, as far as there are any.

    Finds are the typical ones, nearest to the median risk of all finds; misses are those with the
    lowest risk and false alarms those with the highest, because the worst errors teach most. What
    misses and false alarms leave free goes to finds. Equal risks fall in the order of `names`.
    """
    positive, flagged = labels.astype(bool), probabilities >= at
    found = positive & flagged
    middle = float(np.median(probabilities[found])) if found.any() else 0.0
    ranked: dict[str, list[int]] = {
        "found": first(found, np.abs(probabilities - middle), names),
        "missed": first(positive & ~flagged, probabilities, names),
        "false alarm": first(~positive & flagged, -probabilities, names),
    }
    share = count // 3
    errors: dict[str, list[int]] = {
        kind: ranked[kind][:share] for kind in ("missed", "false alarm")
    }
    rest = count - sum(len(rows) for rows in errors.values())
    shown = {"found": ranked["found"][:rest], **errors}
    return [
        Chosen(
            row, str(names[row]), kind, f"risk {100 * probabilities[row]:.0f} %", kind == "found"
        )
        for kind in ranked
        for row in shown[kind]
    ]


def explained(
    chosen: Sequence[Chosen],
    rows: Mapping[str, Row],
    *,
    workload: Workload,
    state: State,
    explain: Explain,
) -> list[Explained]:
    """Each of `chosen` with the artefact's own explanation drawn over it.

    Parameters
    ----------
    rows : rows of raw by example; one that is not there is left out
    explain : inputs (1, …) → logit (1,), distance (1,), map (1, …)
    """
    drawn = []
    for one in chosen:
        if one.example not in rows:
            continue
        row = rows[one.example]
        inputs = {name: array[None] for name, array in workload.encode(row, state).items()}
        heat = explain(inputs).map[0]
        picture, reasons = workload.draw(row, heat), workload.reasons(row, heat)
        drawn.append(Explained(one, picture, reasons))
    return drawn


def first(mask: np.ndarray, key: Floats, names: Sequence[str]) -> list[int]:
    """Rows where `mask` (N,) is True by ascending `key` (N,), equal ones in the order of names."""
    rows = np.flatnonzero(mask)
    order = np.lexsort((np.asarray(names, dtype=str)[rows], key[rows]))
    return [int(row) for row in rows[order]]
