"""What an artefact is worth: from logits and tables to the measurements of report.json.

Nothing here reads a file or knows where logits come from, so that the champion is measured on the
candidate's test patients by the very same function.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from medpipe.evaluation import conformal
from medpipe.evaluation.measures.contract import Measures
from medpipe.evaluation.scored import Scored
from medpipe.evaluation.subgroups import subgroups
from medpipe.objectives.objective import Point
from medpipe.sections import EvaluateParams
from medpipe.workload import Workload

if TYPE_CHECKING:
    from medpipe.evaluation.baseline import Boosted


def report_for(
    workload: Workload,
    measures: Measures[Any],
    params: EvaluateParams,
    scored: Mapping[str, Scored],
    point: Point,
) -> dict[str, Any]:
    """The measured part of report.json.

    objective, operating_point, splits, subgroups, confidence and methods, and what the objective
    adds: calibration, threshold or interval.

    Parameters
    ----------
    scored : by split; `test` must be there, `val` and `external` where they are
    point : the model's own; a champion keeps the one that it is served with
    """
    test = scored["test"]
    return {
        "objective": {
            "name": measures.objective.name,
            "main": measures.main,
            "shown": list(measures.shown),
            "better": dict(measures.better),
        },
        "operating_point": point.as_json(),
        "splits": {
            name: measures.measure(scored[name], point, params) if name in scored else None
            for name in ("test", "external", "val")
        },
        **measures.sections(test, point, params),
        "subgroups": subgroups(measures, test, point, workload.columns, params),
        "confidence": params.confidence,
        "methods": {**measures.methods, "what is possible, what is familiar": conformal.METHOD},
    }


def against_baseline(
    measures: Measures[Any],
    found: Boosted,
    scored: Mapping[str, Scored],
    point: Point,
    params: EvaluateParams,
) -> dict[str, Any]:
    """Section `baseline` of report.json: the rival, measured as the model is, and the difference.

    Parameters
    ----------
    scored : the model's own, by split; `val` and `test` must be there
    point : the model's own; the rival chooses its own on val by the same rule

    Returns
    -------
    {method, examples, features, metrics of test, external: metrics or None, difference:
    {metric: {difference, low, high, model, baseline, better}}}, model − baseline, paired by patient
    """
    rival = {split: Scored(scored[split].frame, logits) for split, logits in found.logits.items()}
    own = measures.operating_point(rival["val"], params)
    measured = {
        split: measures.measure(rival[split], own, params)["metrics"]
        for split in ("test", "external")
        if split in rival
    }
    difference = measures.paired(
        measures.main, (scored["test"], point), (rival["test"], own), params
    )
    names = {"candidate": "model", "champion": "baseline"}
    return {
        "method": found.method,
        "examples": found.examples,
        "features": found.features,
        "metrics": measured["test"],
        "external": measured.get("external"),
        "difference": {measures.main: {names.get(key, key): v for key, v in difference.items()}},
    }
