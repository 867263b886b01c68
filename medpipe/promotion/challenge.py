"""Candidate against champion, on the same test examples of today.

The champion is scored again from its own artefact, with its own encoding of raw, so that it may be
years older and of another input size. Its stored report would be about other patients.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medpipe.config import EvaluateParams, Params
from medpipe.errors import MissingStageError, ParamsError
from medpipe.evaluation import measures as measured
from medpipe.evaluation.measures.contract import Measures
from medpipe.evaluation.report import report_for
from medpipe.evaluation.scored import Scored
from medpipe.objectives.objective import Point
from medpipe.paths import Layout
from medpipe.promotion.asked_again import Release, encoded
from medpipe.tables.ready import Ready
from medpipe.workload import Workload


@dataclass(frozen=True)
class Outcome:
    """What the gate wants to know of the champion.

    Parameters
    ----------
    report : the measured part of a report, of the champion on the candidate's test examples
    comparison : `{metric: {difference, low, high, …}}`, candidate − champion, paired by patient
    """

    report: dict[str, Any]
    comparison: dict[str, dict[str, Any]]


def challenge(
    workload: Workload,
    params: Params,
    layout: Layout,
    *,
    candidate: dict[str, Any],
    champion: Path,
) -> Outcome:
    """Score the release in `champion` again and compare `candidate`'s scores with it.

    Parameters
    ----------
    candidate : its report.json; its scores lie beside that
    champion : a verified release folder

    Raises
    ------
    MissingStageError : scores or raw do not hold the test examples any more
    """
    ready = Ready(layout.ready)
    measures = measured.of(workload, ready.frame("train"))
    frame = ready.frame("test")
    release = Release.of(champion)
    held = Scored(frame, _champion_logits(workload, layout, frame["example"], release))
    point = measures.point(release.settings)
    ours = (
        Scored(frame, candidate_logits(layout, frame["example"])),
        measures.point(candidate["operating_point"]),
    )
    return Outcome(
        report_for(workload, measures, params.evaluate, {"test": held}, point),
        {
            metric: _paired(measures, metric, ours, (held, point), params.evaluate)
            for metric in params.gate.margins
        },
    )


def _paired(
    measures: Measures[Any],
    metric: str,
    ours: tuple[Scored, Point],
    theirs: tuple[Scored, Point],
    params: EvaluateParams,
) -> dict[str, Any]:
    try:
        return measures.paired(metric, ours, theirs, params)
    except ParamsError as error:
        return {"difference": None, "low": None, "high": None, "undefined": str(error)}


def candidate_logits(layout: Layout, examples: pd.Series[str]) -> np.ndarray:
    """(N,) or (N, K) in the order of `examples`."""
    path = layout.evaluation / "scores.parquet"
    if not path.is_file():
        raise MissingStageError(
            f"{path} is not there; run `medpipe stage evaluate {layout.workload}` first"
        )
    scores = pd.read_parquet(path)
    test = scores[scores["split"] == "test"]
    logits = test[[name for name in test if str(name).split(" ")[0] == "logit"]].to_numpy()
    found = dict(zip(test["example"].astype(str), logits, strict=True))  # (K,) each
    return _in_order(found, examples, str(path), layout)


def _champion_logits(
    workload: Workload, layout: Layout, examples: pd.Series[str], release: Release
) -> np.ndarray:
    """(N,) or (N, K) in the order of `examples`."""
    found: dict[str, np.ndarray] = {}
    for rows, inputs in encoded(workload, layout, examples, release.state):
        logits = release.session.score(inputs)  # (B,) or (B, K)
        found |= {row["example"]: logit for row, logit in zip(rows, logits, strict=True)}
    return _in_order(found, examples, str(layout.raw), layout)


def _in_order(
    logits: dict[str, np.ndarray], examples: pd.Series[str], where: str, layout: Layout
) -> np.ndarray:
    missing = sum(example not in logits for example in examples)
    if missing:
        raise MissingStageError(
            f"{where} lacks {missing} of the {len(examples)} test examples; data have changed "
            f"since: run `dvc repro evaluate@{layout.workload}`"
        )
    found = np.array([logits[example] for example in examples], dtype=np.float64)
    return found[:, 0] if found.shape[1:] == (1,) else found
