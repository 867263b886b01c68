"""From windows, answers and outcomes to evidence and verdict. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from medpipe.monitoring import movement, performance, verdict, windows
from medpipe.monitoring.facts import Value, Watched
from medpipe.monitoring.performance import Known, Measured
from medpipe.monitoring.policy import MonitorParams
from medpipe.monitoring.questions import Question
from medpipe.monitoring.verdict import Evidence, Verdict
from medpipe.monitoring.windows import ALL, Part, Window

Said = Mapping[str, Mapping[str, Value]]
"""Answer id → what was said, by fact (`facts.scores`)."""
Outcomes = Mapping[str, Mapping[str, Any]]
"""Answer id → label column → value (`Journal.outcomes`)."""


@dataclass(frozen=True)
class Matter:
    """All that is judged.

    Parameters
    ----------
    subgroups : facts whose values are parts
    found : whole windows since the release, oldest first
    said : of the answers in `recent`, and of the newest window
    release_days : age of the release
    confidence : of the report's intervals, and of ours
    """

    watched: Watched
    subgroups: Sequence[str]
    questions: Sequence[Question]
    found: Sequence[Window]
    said: Said
    outcomes: Outcomes
    release_days: float
    confidence: float


def judge(matter: Matter, policy: MonitorParams) -> tuple[Evidence, Verdict]:
    """What was found, and what it amounts to."""
    judged = large(matter.found, policy)
    known = _known(matter, policy)
    evidence = Evidence(
        unjudged=_unjudged(matter.found, policy),
        unknown=_unknown(known, policy),
        movements=(
            *movement.of_all(matter.watched, judged[-policy.among :], policy),
            *movement.of_parts(matter.watched, matter.found, matter.subgroups, policy),
        ),
        measured=performance.corrected(list(_measured(known, matter, policy))),
        estimated=performance.corrected(list(_estimated(matter, policy))),
        release_days=matter.release_days,
    )
    return evidence, verdict.decide(evidence, policy)


def recent(found: Sequence[Window], policy: MonitorParams) -> list[Window]:
    """The windows of the last `outcome_days`; older ones say nothing of today."""
    if not found:
        return []
    begin = found[-1].end - timedelta(days=policy.outcome_days)
    return [window for window in found if window.start >= begin] or [found[-1]]


def large(found: Sequence[Window], policy: MonitorParams) -> list[Window]:
    """The recent windows that hold enough answers to be judged."""
    return [window for window in recent(found, policy) if len(window) >= policy.min_answers]


def _unjudged(found: Sequence[Window], policy: MonitorParams) -> str:
    if not found:
        return "No window has been whole since the release: nothing can be judged yet."
    if len(found[-1]) >= policy.min_answers:
        return ""
    return (
        f"The newest whole window, to {found[-1].end:%Y-%m-%d}, has {len(found[-1])} answers, and "
        f"{policy.min_answers} are needed to judge it."
    )


def _unknown(known: Mapping[tuple[str, Part], Known], policy: MonitorParams) -> str:
    reasons = {known[key].why_not(policy) for key in known if key[1] == ALL} - {""}
    return f"How the answers turn out is not judged: {'; '.join(sorted(reasons))}." * bool(reasons)


def _known(matter: Matter, policy: MonitorParams) -> dict[tuple[str, Part], Known]:
    """By question and part: those of the recent answers whose outcome is known."""
    found = recent(matter.found, policy)
    return {
        (question.name, whom): Known(
            np.array([risk for risk, _ in pairs], np.float64),
            np.array([outcome for _, outcome in pairs], bool),
        )
        for question in matter.questions
        for whom, pairs in _pairs(question, matter, found).items()
    }


def _pairs(
    question: Question, matter: Matter, found: Sequence[Window]
) -> dict[Part, list[tuple[float, bool]]]:
    pairs: dict[Part, list[tuple[float, bool]]] = {ALL: []}
    for window in found:
        everyone = np.ones(len(window), bool)
        masks = [(ALL, everyone), *windows.parts(window, matter.watched, matter.subgroups)]
        for whom, mask in masks:
            if whom in question.promises:
                ids = (window.answer_ids[at] for at in np.flatnonzero(mask))
                pairs.setdefault(whom, []).extend(_answered(question, matter, ids))
    return pairs


def _answered(
    question: Question, matter: Matter, ids: Iterator[str]
) -> Iterator[tuple[float, bool]]:
    for answer_id in ids:
        outcome = question.outcome(matter.outcomes.get(answer_id, {}))
        risk = matter.said.get(answer_id, {}).get(question.fact)
        if outcome is not None and isinstance(risk, float):
            yield risk, outcome


def _measured(
    known: Mapping[tuple[str, Part], Known], matter: Matter, policy: MonitorParams
) -> Iterator[Measured]:
    questions = {question.name: question for question in matter.questions}
    for (name, whom), answers in known.items():
        if not answers.why_not(policy):
            yield from performance.measured(
                answers,
                questions[name].promises[whom],
                policy,
                whom=whom,
                question=name,
                confidence=matter.confidence,
            )


def _estimated(matter: Matter, policy: MonitorParams) -> Iterator[Measured]:
    for question in matter.questions if matter.found else ():
        risks = [
            risk
            for answer_id in matter.found[-1].answer_ids
            if isinstance(risk := matter.said.get(answer_id, {}).get(question.fact), float)
        ]
        one = performance.estimated(
            np.array(risks, np.float64),
            question.promises[ALL],
            policy,
            question=question.name,
            confidence=matter.confidence,
        )
        if one is not None:
            yield one
