"""Evaluate: what the exported artefact is worth on patients that it has never seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medpipe import files, lineage, tracking
from medpipe.artefact import exported, weights
from medpipe.artefact.exported import Artefact
from medpipe.artefact.program import Program
from medpipe.config import Params, effective
from medpipe.errors import MissingStageError
from medpipe.evaluation import artefacts, examples, familiar, page, plots, watched
from medpipe.evaluation import measures as measured
from medpipe.evaluation.artefacts import Form
from medpipe.evaluation.baseline import boosted
from medpipe.evaluation.changed import Trials
from medpipe.evaluation.latency import latency
from medpipe.evaluation.measures.contract import Measures, write_tables
from medpipe.evaluation.report import against_baseline, report_for
from medpipe.evaluation.robustness import robustness
from medpipe.evaluation.scored import Scored
from medpipe.objectives.objective import Point
from medpipe.paths import Layout
from medpipe.serving.session import Bound, Judged, Session
from medpipe.tables.raw import Raw
from medpipe.tables.ready import Ready
from medpipe.workload import Row, Workload

_BATCH = 64
"""Examples scored at once; memory does not grow with the split."""
_TIMED = 16
"""Different examples among the timed ones, so that one odd image does not decide."""
_MIB = 1 << 20
Timing = Callable[[Callable[[Mapping[str, np.ndarray]], np.ndarray]], dict[str, Any]]
"""From what scores a batch to the time it takes for one example after another."""


def evaluate(workload: Workload, params: Params, layout: Layout) -> dict[str, Any]:
    """Measure the served variant on test and external, and write the evaluation folder.

    Returns
    -------
    examples, the objective's first metrics (each with its interval), operating_point, page

    Raises
    ------
    MissingStageError : ready or artefact is not there, is not what export wrote, or was encoded by
        other code than a request would be
    DataError : val lacks a class, or the artefact gives logits that are not finite
    TrackingError : the report is written, but its metrics cannot be put into the run
    """
    artefact = exported.find(layout, params.evaluate.variant)
    session = _session(artefact, params, layout)
    ready = Ready(layout.ready)
    measures = measured.of(workload, ready.frame("train"))
    scored = score_splits(session, ready)
    point = measures.operating_point(scored["val"], params.evaluate)
    report = _facts(workload, params, layout, ready, artefact)
    report |= report_for(workload, measures, params.evaluate, scored, point)
    report["baseline"] = _baseline(workload, measures, params, ready, scored, point)
    trials = Trials(
        session.judge, ready.arrays("test"), scored["test"].frame, seed=params.evaluate.seed
    )
    report |= _changed(workload, measures, params, trials, scored, point)
    report["watched"] = _watched(workload, measures, params, layout, scored, point, report)
    chosen = measures.choose(scored["test"], point, count=params.evaluate.explained)
    timed = scored["test"].frame["example"].head(_TIMED).tolist()
    rows = Raw(layout.raw, workload.columns).rows(
        [column.name for column in workload.columns], {one.example for one in chosen} | set(timed)
    )
    _check_encoding(workload, ready, {name: rows[name] for name in timed if name in rows})
    time = partial(
        latency,
        workload,
        ready.state,
        [rows[example] for example in timed if example in rows],
        runs=params.evaluate.latency_runs,
    )
    report["latency_ms"] = time(session.score)
    served = _form(artefact, scored, report["latency_ms"])
    forms = [
        served if each.variant == artefact.variant else _other(each, params, layout, ready, time)
        for each in exported.every(layout)
    ]
    report["artefacts"] = artefacts.costs(
        forms, measures, point, params.evaluate, served=artefact.variant
    )
    pictures = examples.explained(
        chosen, rows, workload=workload, state=ready.state, explain=session.explain
    )
    _write(layout.evaluation, report, measures, scored, point, pictures)
    _track(layout, report)
    return _outcome(report, measures, layout)


def _check_encoding(workload: Workload, ready: Ready, rows: Mapping[str, Row]) -> None:
    """Raise MissingStageError where `encode` no longer gives what lies in ready for `rows`.

    The certificate covers the code of today; what was measured must have been encoded by it.
    """
    stored = ready.arrays("test")
    for place, example in enumerate(ready.frame("test")["example"].head(_TIMED)):
        if example not in rows:
            continue
        for name, array in workload.encode(rows[example], ready.state).items():
            if not np.array_equal(array, stored[name][place], equal_nan=array.dtype.kind == "f"):
                raise MissingStageError(
                    f"input {name} of example {example} is encoded otherwise than in ready: the "
                    f"code has changed since; run `medpipe stage preprocess {workload.name}` and "
                    "the stages after it again"
                )


def _session(artefact: Artefact, params: Params, layout: Layout) -> Session:
    session = Session(artefact.path, threads=params.serve.threads)
    if not session.knows_distance:
        raise MissingStageError(
            f"{artefact.path} does not say how far an input is from the training data; it was "
            f"exported by an earlier medpipe: run `medpipe stage export {layout.workload}` again"
        )
    return session


def score_splits(
    session: Session | Program, ready: Ready, splits: Sequence[str] = ("val", "test", "external")
) -> dict[str, Scored]:
    """What the model says of `splits`; one without rows is left out."""
    frames = {split: ready.frame(split) for split in splits}
    return {
        split: Scored(frame, *judge(session, ready.arrays(split), len(frame)))
        for split, frame in frames.items()
        if len(frame)
    }


def judge(session: Session | Program, inputs: Mapping[str, np.ndarray], rows: int) -> Judged:
    """What the model says of all `rows` N of `inputs` (N, …), by batches."""
    pieces = []
    for start in range(0, rows, _BATCH):
        batch = {name: np.asarray(array[start : start + _BATCH]) for name, array in inputs.items()}
        pieces.append(session.judge(batch))
    return Judged(*(np.concatenate(part).astype(np.float64) for part in zip(*pieces, strict=True)))


def _other(artefact: Artefact, params: Params, layout: Layout, ready: Ready, time: Timing) -> Form:
    """A form that is not served, measured where the table of forms needs it."""
    runs: Session | Program
    if artefact.variant == exported.EXECUTORCH:
        runs = Program(artefact.path)
    else:
        runs = _session(artefact, params, layout)
    return _form(artefact, score_splits(runs, ready, ("val", "test")), time(runs.score))


def _form(artefact: Artefact, scored: Mapping[str, Scored], time: Mapping[str, Any]) -> Form:
    path = artefact.path
    if artefact.variant == exported.EXECUTORCH:  # whose weights are those of fp32
        path = path.with_name("fp32.onnx")
    count, noughts = weights.counted(path)
    size = artefact.path.stat().st_size / _MIB
    return Form(artefact.variant, size, count, noughts, time, scored)


def _facts(
    workload: Workload, params: Params, layout: Layout, ready: Ready, artefact: Artefact
) -> dict[str, Any]:
    """Everything in the report that is not measured here."""
    receipt, raw = ready.receipt, Raw(layout.raw, workload.columns)
    found = files.read_json(
        layout.validation / "validation.json", made_by=f"medpipe stage validate {layout.workload}"
    )
    return {
        "workload": workload.name,
        "title": workload.title,
        "label": workload.label,
        "looked_for": workload.looked_for or workload.label.replace("_", " "),
        "intended_use": workload.intended_use,
        "not_for": workload.not_for,
        "run_id": artefact.run_id,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "variant": artefact.variant,
        "artefact_sha256": artefact.sha256,
        "size_mib": round(artefact.path.stat().st_size / _MIB, 3),
        "parity": dict(artefact.parity),
        "params": effective(params),
        "data": {
            "raw_version": raw.version(),
            "raw_parts": raw.number,
            "commit": str(lineage.commit(layout.root)),
        },
        "receipt": {
            name: receipt[name]
            for name in ("digest", "clean", "problems", "counts", "left_out", "by")
        },
        "validation": {
            "passed": bool(found["passed"]),
            "failed": [
                f"{rule['rule']}: {rule['meaning']} ({rule['examples']} examples)"
                for rule in found["failed"]
            ],
        },
    }


def _baseline(
    workload: Workload,
    measures: Measures[Any],
    params: Params,
    ready: Ready,
    scored: Mapping[str, Scored],
    point: Point,
) -> dict[str, Any] | None:
    """What gradient boosting reaches on the same patients; None where it sees no features."""
    inputs = {split: ready.arrays(split) for split in ("train", *scored)}
    targets = {
        split: measures.objective.targets_in(ready.frame(split)) for split in ("train", "val")
    }
    found = boosted(workload, measures, inputs, targets)
    if found is None:
        return None
    return against_baseline(measures, found, scored, point, params.evaluate)


def _changed(
    workload: Workload,
    measures: Measures[Any],
    params: Params,
    trials: Trials,
    scored: Mapping[str, Scored],
    point: Point,
) -> dict[str, Any]:
    """Sections robustness and familiar: what changed examples cost, and what the model notices."""
    asked = params.evaluate
    limit = familiar.bound(scored["val"], asked.familiar.share)
    foreign = familiar.detected(workload.foreign(), trials, limit, asked)
    return {
        "robustness": robustness(
            workload.perturb(), trials, measures=measures, point=point, limit=limit, params=asked
        ),
        "familiar": familiar.section(scored, limit, workload.columns, foreign, asked),
    }


def _watched(
    workload: Workload,
    measures: Measures[Any],
    params: Params,
    layout: Layout,
    scored: Mapping[str, Scored],
    point: Point,
    report: Mapping[str, Any],
) -> dict[str, Any]:
    """What the service's questions and answers are to be held against (docs/monitor.md)."""
    found = watched.reference(
        workload,
        Raw(layout.raw, workload.columns),
        Ready(layout.ready),
        scored,
        objective=measures.objective,
        point=point,
        limit=Bound(**{name: report["familiar"][name] for name in ("distance", "share")}),
        abstains=params.serve.abstain == "refuse",
    )
    return found.model_dump(mode="json")


def _write(
    folder: Path,
    report: dict[str, Any],
    measures: Measures[Any],
    scored: Mapping[str, Scored],
    point: Point,
    pictures: list[page.Explained],
) -> None:
    drawn = measures.draw(scored["test"], point, report)
    with files.new_folder(folder) as here:
        files.write_json(here / "report.json", report)
        files.write_json(here / "metrics.json", _metrics(report))
        _scores(measures, scored, point).to_parquet(here / "scores.parquet", index=False)
        plots.write(here / "plots", drawn)
        write_tables(here / "curves", drawn)
        shown = page.render(report, measures, drawn, pictures)
        (here / "report.html").write_text(shown, encoding="utf-8")


def _metrics(report: Mapping[str, Any]) -> dict[str, float]:
    """Of test, one number each, as `dvc metrics show` has room for; undefined ones are left out."""
    found, main = report["splits"]["test"]["metrics"], report["objective"]["main"]
    values = {name: each["value"] for name, each in found.items()}
    values |= {f"{main}_{bound}": found[main][bound] for bound in ("low", "high")}
    if report["baseline"]:
        values[f"baseline_{main}"] = report["baseline"]["metrics"][main]["value"]
    return {name: round(value, 4) for name, value in values.items() if value is not None}


def _scores(measures: Measures[Any], scored: Mapping[str, Scored], point: Point) -> pd.DataFrame:
    """example, group, split, label, logit, answer and distance of all that was scored."""
    parts = [
        pd.DataFrame(
            {
                "example": split.frame["example"].to_numpy(),
                "group": split.frame["group"].to_numpy(),
                "split": name,
                **measures.columns(split, point),
                "distance": split.distances,
            }
        )
        for name, split in scored.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _track(layout: Layout, report: Mapping[str, Any]) -> None:
    metrics = {
        f"{split}/{name}{suffix}": found[key]
        for split, measured in report["splits"].items()
        if measured
        for name, found in measured["metrics"].items()
        for key, suffix in (("value", ""), ("low", "_low"), ("high", "_high"))
    }
    for name, found in (report["baseline"] or {"metrics": {}})["metrics"].items():
        metrics[f"baseline/{name}"] = found["value"]
    metrics |= {f"calibration/{name}": value for name, value in report["calibration"].items()}
    metrics |= {f"latency_ms/{name}": report["latency_ms"][name] for name in ("p50", "p95")}
    metrics |= {name: found["value"] for name in ("threshold",) if (found := report.get(name))}
    metrics["test/coverage_of_sets"] = report["splits"]["test"]["sets"]["coverage"]["value"]
    metrics["test/unfamiliar"] = report["familiar"]["flagged"]["test"]["value"]
    paths = [layout.evaluation / n for n in ("report.json", "report.html", "plots", "curves")]
    tracking.add_to_run(layout, report["run_id"], metrics, paths, folder="evaluate")


def _outcome(report: Mapping[str, Any], measures: Measures[Any], layout: Layout) -> dict[str, Any]:
    test = report["splits"]["test"]
    return {
        "examples": test["examples"],
        **{name: test["metrics"][name] for name in measures.shown},
        **report["operating_point"],
        "unfamiliar_beyond": report["familiar"]["distance"],
        "page": (layout.evaluation / "report.html").relative_to(layout.root).as_posix(),
    }
