"""Labelled examples that came in after the champion was made: whether their labels can be right.

Labels break upstream: a join by the wrong key, a code that changes its meaning. Rules on values see
nothing of it, and a model that learns from them is judged by them, too. The champion has learned
none of these examples, so it is asked about them, and about such as it had not learned of those
before, as in two windows of monitoring. Where it orders the new ones worse and their inputs are
what they were, nobody should learn from them before a person has looked (`doubts`). And whatever
was learned must reach the floors of the gate on the newest test examples alone (`newest`), because
in a long past a few bad months do not show.

New is what lies in parts of raw that the champion's certificate does not count. Where raw was made
anew since, other examples may be looked at; an older certificate counts none, and nothing is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medpipe import files, objectives
from medpipe.config import Params
from medpipe.evaluation import measures as measured
from medpipe.evaluation.scored import Scored
from medpipe.evaluation.subgroups import not_judged
from medpipe.monitoring import facts, judge, pixels, questions, verdict
from medpipe.monitoring.judge import Matter
from medpipe.monitoring.performance import Measured
from medpipe.monitoring.policy import MonitorParams
from medpipe.monitoring.windows import ALL, MONDAY, Window
from medpipe.paths import Layout
from medpipe.promotion.asked_again import Release, encoded
from medpipe.promotion.challenge import candidate_logits
from medpipe.serving.predictor import limit
from medpipe.serving.release import Settings
from medpipe.serving.wording import said_of_each
from medpipe.tables.raw import Raw
from medpipe.tables.ready import Ready
from medpipe.workload import Workload

MOST = 1000
"""Examples of each window, the newest ones."""
_DAY = timedelta(days=1)
_HELD_OUT = ("val", "test", "external")


def doubts(
    workload: Workload, params: Params, layout: Layout, folder: Path, signed: Mapping[str, Any]
) -> tuple[str, ...]:
    """Why the labels that came in after the champion may be wrong; none where nothing says so.

    Parameters
    ----------
    folder : of the champion, verified
    signed : its certificate
    """
    raw, since = Raw(layout.raw, workload.columns), signed["data"].get("parts")
    if since is None or raw.number <= since:
        return ()
    columns = ["example", "site", *workload.label_columns]
    new = _newest(_labelled(raw.frames(columns, since=since), workload))
    if len(new) < params.monitor.min_outcomes:
        return ()
    known = _held_out(layout)
    frames = _labelled(raw.frames(columns, before=since), workload)
    old = _newest(frame[frame["example"].isin(known)] for frame in frames)
    matter = _matter(workload, params, layout, folder, pd.concat([old, new]), old=len(old))
    if matter is None:
        return ()
    policy = _policy(params.monitor)
    evidence, _ = judge.judge(matter, policy)
    lost = verdict.unexplained(evidence.movements, evidence.measured, policy)
    found = (m for m in evidence.measured if m.name == "auroc" and m.whom in lost)
    return tuple(_sentence(m) for m in found if verdict.is_worse(m, policy))


def newest(
    workload: Workload,
    params: Params,
    layout: Layout,
    candidate: Mapping[str, Any],
    signed: Mapping[str, Any],
) -> dict[str, Any] | None:
    """The candidate on the test examples that came in after the champion: see `gate.decide`.

    Parameters
    ----------
    candidate : its report.json; its scores lie beside that
    signed : the champion's certificate

    Raises
    ------
    MissingStageError : the scores do not hold the test examples any more
    """
    raw, since = Raw(layout.raw, workload.columns), signed["data"].get("parts")
    if since is None or None in candidate["operating_point"].values():
        return None
    arrived = {name for frame in raw.frames(["example"], since=since) for name in frame["example"]}
    ready = Ready(layout.ready)
    frame = ready.frame("test")
    measures = measured.of(workload, ready.frame("train"))
    is_new = frame["example"].isin(arrived).to_numpy(dtype=bool)
    part = Scored(frame, candidate_logits(layout, frame["example"]))[is_new]
    why = not_judged(measures, part, whole=False, least=params.evaluate.subgroup_min)
    found = {"examples": len(part), "undefined": why, "metrics": {}}
    if not why:
        point = measures.point(candidate["operating_point"])
        found["metrics"] = measures.measure(part, point, params.evaluate)["metrics"]
    return found


def _labelled(frames: Iterable[pd.DataFrame], workload: Workload) -> Iterable[pd.DataFrame]:
    labels = list(workload.label_columns)
    return (frame[frame[labels].notna().any(axis=1)] for frame in frames)


def _newest(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The last of them; memory does not grow with raw."""
    kept = pd.DataFrame()
    for frame in frames:
        kept = pd.concat([kept, frame]).tail(MOST)
    return kept


def _held_out(layout: Layout) -> set[str]:
    """Examples that nothing was learned from; none where ready is not here."""
    if not layout.ready.is_dir():
        return set()
    ready = Ready(layout.ready)
    return {name for split in _HELD_OUT for name in ready.frame(split)["example"]}


def _matter(
    workload: Workload,
    params: Params,
    layout: Layout,
    folder: Path,
    known: pd.DataFrame,
    *,
    old: int,
) -> Matter | None:
    """`known`, the first `old` rows before the others, as two windows; None: nothing is watched."""
    release = Release.of(folder)
    settings = Settings.model_validate(release.settings)
    if not settings.watched.facts:
        return None
    said, places = _asked(workload, layout, set(known["example"]), release, settings)
    labels = known.set_index("example")[list(workload.label_columns)].astype(object)
    outcomes: Any = labels.where(labels.notna(), None).to_dict("index")
    windows = []
    for number, part in enumerate((known[:old], known[old:])):
        ids = tuple(part["example"])
        start = MONDAY + 2 * number * _DAY
        sites = part["site"].fillna("").to_numpy(dtype=np.str_)
        bins = np.array([places[name] for name in ids], np.int8)
        bins = bins.reshape(-1, len(settings.watched.facts))
        windows.append(Window(start, start + _DAY, ids, sites, bins))
    card = files.read_json(folder / "card.json", made_by="medpipe promote")
    return Matter(
        watched=settings.watched,
        subgroups=(),
        questions=questions.asked(settings.watched, workload.label_columns, card),
        found=windows,
        said=said,
        outcomes=outcomes,
        release_days=0.0,
        confidence=params.evaluate.confidence,
    )


def _asked(
    workload: Workload, layout: Layout, examples: set[str], release: Release, settings: Settings
) -> tuple[dict[str, dict[str, facts.Value]], dict[str, tuple[int, ...]]]:
    """What the champion says of each of `examples`, and where what is watched lies."""
    said, places = dict[str, dict[str, facts.Value]](), dict[str, tuple[int, ...]]()
    objective = objectives.of(workload)
    columns = facts.columns(workload)
    for rows, inputs in encoded(workload, layout, examples, release.state):
        judged = release.session.judge(inputs)
        fields = said_of_each(
            judged.logit,
            judged.distance.tolist(),
            objective=objective,
            point=objective.point(release.settings),
            limit=limit(settings),
            cautions=[()] * len(rows),
        )
        scores = [facts.scores(found or {}) for found in fields]
        each = ({name: array[at] for name, array in inputs.items()} for at in range(len(rows)))
        seen = facts.of_answers(
            facts.inputs_of(rows, columns),
            [pixels.of_inputs(one) for one in each],
            scores,
            judged.directions,
        )
        names = [row["example"] for row in rows]
        said |= dict(zip(names, scores, strict=True))
        bins = settings.watched.bins_of(seen, count=len(rows))
        places |= dict(zip(names, bins, strict=True))
    return said, places


def _policy(policy: MonitorParams) -> MonitorParams:
    """`policy` for two windows, of which the second is held against the first."""
    once = {"lasting": 1, "among": 1, "own_past": policy.min_answers, "outcome_days": 1.0}
    return policy.model_copy(update=once)


def _sentence(found: Measured) -> str:
    where = "" if found.whom == ALL else f" at {' '.join(found.whom)}"
    of = f" for {found.question}" if found.question else ""
    reach = f" ({found.low:.3g} to {found.high:.3g})" if found.low is not None else ""
    return (
        f"the champion orders the {found.answers} labelled examples that came in after it{where} "
        f"worse{of}: AUROC {found.value:.3g}{reach}, {found.promised:.3g} was promised (p "
        f"{verdict.chance(found.p)}), and their inputs are what they were: see whether their "
        "labels are right"
    )
