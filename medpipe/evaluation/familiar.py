"""Which inputs are too unlike the training data to be answered, and whether that can be trusted.

The artefact says how far an input lies from its training data (`artefact.distance`). Too far is
what lies beyond nearly all patients of val: a conformal bound, so that of new patients like them no
more than 1 − share are turned away for nothing, however the distances are spread. Val must have
share / (1 − share) patients for that; with fewer the farthest of them is the bound, and the share
that it can promise is lower: G / (G + 1).

A bound promises nothing about what is foreign. So it is measured: on the held-out site, on every
change that another device would make, and on inputs that are nobody's (`Workload.foreign`).

References
----------
Laxhammar & Falkman 2010 and Bates et al. 2023, Annals of Statistics 51:149–178 (conformal bounds of
anomaly); patients with several examples as in `conformal`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from medpipe.columns import Column
from medpipe.errors import DataError
from medpipe.evaluation import conformal, intervals
from medpipe.evaluation.changed import Trials
from medpipe.evaluation.delong import area
from medpipe.evaluation.sample import Floats
from medpipe.evaluation.scored import Scored
from medpipe.evaluation.subgroups import parts
from medpipe.sections import EvaluateParams
from medpipe.serving.session import Bound
from medpipe.workload import Perturbation


def bound(val: Scored, share: float) -> Bound:
    """The bound of `val`, at `share` or at the highest that so few patients can promise.

    Raises
    ------
    DataError : no example lies anywhere else than the others
    """
    patients = len(np.unique(val.groups))
    held = min(share, patients / (patients + 1))
    found = conformal.quantile(_distances(val), val.groups, coverage=held)
    if not found > 0:
        raise DataError(
            "all of val has distance 0 from the training data: the network sees no difference "
            "between examples; train it again, with a lower learning rate"
        )
    return Bound(found, held)


def section(
    scored: Mapping[str, Scored],
    limit: Bound,
    columns: Sequence[Column],
    foreign: list[dict[str, Any]],
    params: EvaluateParams,
) -> dict[str, Any]:
    """Section `familiar` of report.json.

    Returns
    -------
    {distance, share, asked, flagged: {split: estimate, None where there is none}, subgroups:
    [{column, value, examples, flagged}] of test, foreign}
    """
    test = scored["test"]
    return {
        **asdict(limit),
        "asked": params.familiar.share,
        "flagged": {
            split: flagged(scored[split], limit, params) if split in scored else None
            for split in ("test", "external", "val")
        },
        "subgroups": [
            {
                "column": column.name,
                "value": value,
                "examples": int(mask.sum()),
                "flagged": flagged(test[mask], limit, params),
            }
            for column, value, mask in parts(test, columns, params)
            if mask.sum() >= params.subgroup_min
        ],
        "foreign": foreign,
    }


def flagged(scored: Scored, limit: Bound, params: EvaluateParams) -> dict[str, Any]:
    """The share of `scored` that is unfamiliar, every patient counting the same."""
    return conformal.share(_distances(scored) > limit.distance, scored.groups, params).as_json()


def detected(
    changes: Mapping[str, Perturbation], trials: Trials, limit: Bound, params: EvaluateParams
) -> list[dict[str, Any]]:
    """How well distance tells examples from what each of `changes` makes of them.

    Parameters
    ----------
    changes : name → change of a batch; `Workload.foreign`

    Returns
    -------
    [{change, examples, auroc, flagged}], estimates; nothing where there are no examples
    """
    found = []
    for name, change in changes.items() if len(trials.rows) else ():
        changed = trials.changed(change)
        found.append(
            {
                "change": name,
                "examples": len(changed),
                "auroc": _told_apart(trials.plain, changed, params),
                "flagged": flagged(changed, limit, params),
            }
        )
    return found


def _told_apart(plain: Scored, changed: Scored, params: EvaluateParams) -> dict[str, Any]:
    groups = np.concatenate([plain.groups, changed.groups])
    found = area(
        np.repeat([False, True], [len(plain), len(changed)]),
        np.concatenate([_distances(plain), _distances(changed)]),
        groups,
        group_count=int(groups.max()) + 1,
    )
    assert found is not None  # both are there
    return intervals.of_area(found, confidence=params.confidence).as_json()


def _distances(scored: Scored) -> Floats:
    assert scored.distances is not None, "scored without distances"
    return scored.distances
