"""What each exported form of the network costs: bytes, time for one example, and the main metric.

All are scored on the same test patients with the operating point of the served one, so that each
gain or loss has a paired interval. The first is what the others are measured against: the network
before it was pruned, or else fp32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medpipe.evaluation.measures.contract import Measures
from medpipe.evaluation.scored import Scored
from medpipe.objectives.objective import Point
from medpipe.sections import EvaluateParams

_BOUNDS = ("difference", "low", "high")


@dataclass(frozen=True)
class Form:
    """One exported file, scored.

    Parameters
    ----------
    name : fp32, fp16, int8, or unpruned
    weights, noughts : numbers in its file, and how many of them are 0
    latency_ms : {p50, p95, runs} of encoding and scoring one example after another
    scored : val and test
    """

    name: str
    size_mib: float
    weights: int
    noughts: int
    latency_ms: Mapping[str, Any]
    scored: Mapping[str, Scored]


def costs(
    forms: Sequence[Form],
    measures: Measures[Any],
    point: Point,
    params: EvaluateParams,
    *,
    served: str,
) -> list[dict[str, Any]]:
    """One entry for each of `forms`, the first of which is what the others are measured against.

    Returns
    -------
    [{variant, served, size_mib, weights, sparsity, latency_ms, val and test: {<main>, gain:
    {difference, low, high}}}]; a gain is the form's metric less that of the first. A side without
    rows is left out
    """
    return [
        {
            "variant": form.name,
            "served": form.name == served,
            "size_mib": round(form.size_mib, 3),
            "weights": form.weights,
            "sparsity": round(form.noughts / form.weights, 4) if form.weights else 0.0,
            "latency_ms": dict(form.latency_ms),
            **{
                side: _compared(measures, point, params, form.scored[side], forms[0].scored[side])
                for side in ("val", "test")
                if side in form.scored
            },
        }
        for form in forms
    ]


def _compared(
    measures: Measures[Any], point: Point, params: EvaluateParams, form: Scored, first: Scored
) -> dict[str, Any]:
    paired = measures.paired(measures.main, (form, point), (first, point), params)
    return {measures.main: paired["candidate"], "gain": {key: paired[key] for key in _BOUNDS}}
