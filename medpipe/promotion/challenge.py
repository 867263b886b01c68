"""Candidate against champion, on the same test examples of today.

The champion is scored again from its own artefact, with its own encoding of raw, so that it may be
years older and of another input size. Its stored report would be about other patients.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medpipe.config import EvaluateParams, Params
from medpipe.errors import MissingStageError, ParamsError
from medpipe.evaluation import compare
from medpipe.evaluation.report import OperatingPoint, Scored, report_for
from medpipe.paths import Layout
from medpipe.serving.session import Session
from medpipe.tables.raw import Raw
from medpipe.tables.ready import Ready
from medpipe.workload import State, Workload

_BATCH = 64


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
    frame = Ready(layout.ready).frame("test")
    logits = _candidate_logits(layout, frame["example"])
    settings = json.loads((champion / "settings.json").read_text(encoding="utf-8"))
    state = json.loads((champion / "state.json").read_text(encoding="utf-8"))
    session = Session(champion / "model.onnx", threads=settings["serve"]["threads"])
    held = Scored(frame, _champion_logits(workload, layout, frame["example"], state, session))
    points = (
        OperatingPoint(candidate["calibration"]["temperature"], candidate["threshold"]["value"]),
        OperatingPoint(settings["temperature"], settings["threshold"]),
    )
    return Outcome(
        report_for(workload, params.evaluate, {"test": held}, points[1]),
        {
            metric: _paired(metric, (Scored(frame, logits), held), points, params.evaluate)
            for metric in params.gate.margins
        },
    )


def _paired(
    metric: str,
    scored: tuple[Scored, Scored],
    points: tuple[OperatingPoint, OperatingPoint],
    params: EvaluateParams,
) -> dict[str, Any]:
    probabilities = [
        each.probabilities(point.temperature) for each, point in zip(scored, points, strict=True)
    ]
    try:
        return compare.paired(
            scored[0].labels,
            scored[0].frame["group"].to_numpy(),
            probabilities[0],
            probabilities[1],
            metric=metric,
            thresholds=(points[0].threshold, points[1].threshold),
            confidence=params.confidence,
            resamples=params.resamples,
            seed=params.seed,
        )
    except ParamsError as error:
        return {"difference": None, "low": None, "high": None, "undefined": str(error)}


def _candidate_logits(layout: Layout, examples: pd.Series[str]) -> np.ndarray:
    """(N,) in the order of `examples`."""
    path = layout.evaluation / "scores.parquet"
    if not path.is_file():
        raise MissingStageError(
            f"{path} is not there; run `medpipe stage evaluate {layout.workload}` first"
        )
    scores = pd.read_parquet(path, columns=["example", "split", "logit"])
    test = scores[scores["split"] == "test"].set_index("example")["logit"]
    return _in_order(
        dict(zip(test.index.astype(str), test.astype(float), strict=True)),
        examples,
        str(path),
        layout,
    )


def _champion_logits(
    workload: Workload, layout: Layout, examples: pd.Series[str], state: State, session: Session
) -> np.ndarray:
    """(N,) in the order of `examples`; raw is streamed, memory does not grow with it."""
    wanted = set(examples)
    found: dict[str, float] = {}
    names = [column.name for column in workload.columns]
    for batch in Raw(layout.raw, workload.columns).batches(names, _BATCH):
        rows = [row for row in batch if row["example"] in wanted]
        if not rows:
            continue
        encoded = [workload.encode(row, state) for row in rows]
        inputs = {name: np.stack([each[name] for each in encoded]) for name in encoded[0]}
        logits = session.score(inputs)  # (B,)
        found |= {row["example"]: float(logit) for row, logit in zip(rows, logits, strict=True)}
        if len(found) == len(wanted):
            break
    return _in_order(found, examples, str(layout.raw), layout)


def _in_order(
    logits: dict[str, float], examples: pd.Series[str], where: str, layout: Layout
) -> np.ndarray:
    missing = sum(example not in logits for example in examples)
    if missing:
        raise MissingStageError(
            f"{where} lacks {missing} of the {len(examples)} test examples; data have changed "
            f"since: run `dvc repro evaluate@{layout.workload}`"
        )
    return np.array([logits[example] for example in examples], dtype=np.float64)
