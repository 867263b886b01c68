"""What the main metric loses when the data come from another device than the test set's.

And whether the model notices: the share of changed examples that it calls unfamiliar.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medpipe.evaluation.changed import Trials
from medpipe.evaluation.familiar import flagged
from medpipe.evaluation.measures.contract import Measures
from medpipe.objectives.objective import Point
from medpipe.sections import EvaluateParams
from medpipe.serving.session import Bound
from medpipe.workload import Perturbation


def robustness(
    changes: Mapping[str, Perturbation],
    trials: Trials,
    *,
    measures: Measures[Any],
    point: Point,
    limit: Bound,
    params: EvaluateParams,
) -> list[dict[str, Any]]:
    """The main metric under each of `changes`, and what it loses on the same examples.

    Parameters
    ----------
    changes : name → change of a batch; `Workload.perturb`

    Returns
    -------
    [{change, examples, <main>: value of the changed, gain: {difference, low, high}, flagged}],
    where the difference is changed minus unchanged; nothing where there are no examples
    """
    found = []
    for name, change in changes.items() if len(trials.rows) else ():
        changed = trials.changed(change)
        paired = measures.paired(measures.main, (changed, point), (trials.plain, point), params)
        found.append(
            {
                "change": name,
                "examples": len(changed),
                measures.main: paired["candidate"],
                "gain": {key: paired[key] for key in ("difference", "low", "high")},
                "flagged": flagged(changed, limit, params),
            }
        )
    return found
