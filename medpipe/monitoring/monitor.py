"""``medpipe monitor``: the champion, what it was asked since its release, and what that amounts to.

Nothing is remembered between two calls but what they found: the verdict follows from the journal,
the record of answers and the release alone, and a call that was killed is made good by the next.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medpipe import certificate, config, files, keys
from medpipe.audit import place as places
from medpipe.audit.record import ANSWERED
from medpipe.errors import MissingStageError
from medpipe.monitoring import exposition, facts, judge, page, questions, windows
from medpipe.monitoring import journal as journals
from medpipe.monitoring.facts import Watched
from medpipe.monitoring.judge import Matter, Outcomes, Said
from medpipe.monitoring.policy import MonitorParams
from medpipe.monitoring.verdict import Evidence, Verdict, is_worse
from medpipe.monitoring.windows import ALL, Window
from medpipe.paths import Layout
from medpipe.workload import Workload

HISTORY = 1040
"""Verdicts that are kept: twenty years of weeks."""


@dataclass(frozen=True)
class Champion:
    """What of a release is needed to judge what it does; an expired one is judged, too."""

    version: str
    certificate: str
    issued: datetime
    watched: Watched
    card: dict[str, Any]


def monitor(
    workload: Workload,
    params: config.Params,
    layout: Layout,
    *,
    now: datetime,
    window_days: float | None = None,
    since: datetime | None = None,
) -> dict[str, Any]:
    """The verdict on the champion of `workload` as it stands at `now`; see `told`.

    By the policy's own windows it is also written down: verdict.json with those before it, the
    page, and the metrics for Prometheus.

    Parameters
    ----------
    window_days : in place of the policy's
    since : answers before this are left out

    Raises
    ------
    MissingStageError : there is no champion, or it is of a medpipe that stored no reference
    CertificateError : the release is not what the gate allowed
    AuditError : what was recorded is out of reach
    """
    policy = params.monitor
    if window_days is not None:
        policy = policy.model_copy(update={"window_days": window_days})
    champion = read_champion(layout)
    with journals.at(layout.root) as journal:
        rows = journal.seen(workload.name, since="" if since is None else since.isoformat())
        found = windows.cut(
            rows,
            champion.watched,
            certificate=champion.certificate,
            days=policy.window_days,
            now=now,
        )
        outcomes = journal.outcomes(workload.name)
    matter = Matter(
        watched=champion.watched,
        subgroups=[column.name for column in workload.columns if column.subgroup],
        questions=questions.asked(champion.watched, workload.label_columns, champion.card),
        found=found,
        said=_said(layout.root, _needed(found, outcomes, policy)),
        outcomes=outcomes,
        release_days=max(0.0, (now - champion.issued).total_seconds() / 86400),
        confidence=params.evaluate.confidence,
    )
    evidence, verdict = judge.judge(matter, policy)
    result = told(workload.name, champion, matter, evidence, verdict, policy, now=now)
    if window_days is None and since is None:
        _keep(layout, result, page.Sides.of(matter, policy), policy, workload.title)
    return result


def read_champion(layout: Layout) -> Champion:
    """The champion of this machine, its certificate checked against its files."""
    folder, name = layout.champion, layout.workload
    if not folder.is_dir():
        raise MissingStageError(f"{name} has no champion here; run `medpipe promote {name}` first")
    signed = certificate.read(folder)
    certificate.verify(signed, folder, keys.trusted(layout.home))
    promote = f"medpipe promote {name}"
    settings = files.read_json(folder / "settings.json", made_by=promote)
    watched = Watched.model_validate(settings.get("watched") or {})
    if not watched.facts:
        raise MissingStageError(
            f"the champion of {name}, version {settings.get('version')}, was made without a "
            f"reference to monitor by; run `medpipe stage evaluate {name}` and `{promote}` again"
        )
    return Champion(
        version=str(settings["version"]),
        certificate=certificate.digest(signed),
        issued=datetime.fromisoformat(signed["issued"]).astimezone(UTC),
        watched=watched,
        card=files.read_json(folder / "card.json", made_by=promote),
    )


def told(
    name: str,
    champion: Champion,
    matter: Matter,
    evidence: Evidence,
    verdict: Verdict,
    policy: MonitorParams,
    *,
    now: datetime,
) -> dict[str, Any]:
    """The verdict as JSON: what was decided and why, then all that was measured.

    Returns
    -------
    {workload, version, certificate, at, verdict, action, reasons, window: {start, end, answers},
    answers, facts: [{whom, fact, part, kind, before, now, size, shown, test, p, moved, windows,
    lasting}], performance and estimated: [{whom, question, name, value, low, high, promised,
    answers, cases, p, worse}], policy}; `whom` is "" for all. `size` and `shown`: see
    `monitoring.drift.Shift`; `windows` is how many of the last show it.
    """
    newest = matter.found[-1] if matter.found else None
    return {
        "workload": name,
        "version": champion.version,
        "certificate": champion.certificate,
        "at": now.isoformat(timespec="seconds"),
        "verdict": verdict.state,
        "action": verdict.action,
        "reasons": list(verdict.reasons),
        "window": None if newest is None else _window(newest),
        "answers": sum(map(len, matter.found)),
        "facts": [
            {
                **asdict(m.shift),
                **{"whom": " ".join(m.whom) if m.whom != ALL else "", "p": m.p, "moved": m.moved},
                **{"windows": m.shown, "lasting": m.lasting},
            }
            for m in evidence.movements
        ],
        "performance": _measured(evidence.measured, policy),
        "estimated": _measured(evidence.estimated, policy),
        "policy": policy.model_dump(mode="json"),
    }


def _measured(found: Sequence[Any], policy: MonitorParams) -> list[dict[str, Any]]:
    return [
        {
            **asdict(one),
            "whom": " ".join(one.whom) if one.whom != ALL else "",
            "worse": is_worse(one, policy),
        }
        for one in found
    ]


def _window(window: Window) -> dict[str, Any]:
    start, end = (moment.isoformat() for moment in (window.start, window.end))
    return {"start": start, "end": end, "answers": len(window)}


def _needed(found: Sequence[Window], outcomes: Outcomes, policy: MonitorParams) -> list[str]:
    """Answers whose wording is needed: of the newest window, and those with an outcome."""
    newest = set(found[-1].answer_ids) if found else set()
    known = {
        answer_id
        for window in judge.recent(found, policy)
        for answer_id in window.answer_ids
        if answer_id in outcomes
    }
    return sorted(newest | known)


def _said(root: Path, answer_ids: Sequence[str]) -> Said:
    if not answer_ids:
        return {}
    with places.reading(root) as (_, store):
        return {
            record.answer_id: facts.scores(json.loads(record.answer))
            for record in store.of_answers(answer_ids).values()
            if record.status == ANSWERED
        }


def _keep(
    layout: Layout,
    result: Mapping[str, Any],
    sides: page.Sides,
    policy: MonitorParams,
    title: str,
) -> None:
    with files.locked(layout.home.folder / "monitor.lock"):
        past = list(_past(layout, result))
        history = [*past[-HISTORY + 1 :], _line(result)]
        # The verdict last: who reads it finds the page and the metrics that belong to it.
        with files.new_file(layout.monitoring / "index.html") as partial:
            partial.write_text(page.render(result, history, sides, title), encoding="utf-8")
        text = exposition.text(result)
        folders = [layout.monitoring, *([Path(policy.textfiles)] if policy.textfiles else [])]
        for folder in folders:
            with files.new_file(folder / f"medpipe_{layout.workload}.prom") as partial:
                partial.write_text(text, encoding="utf-8")
        files.write_json(layout.verdict, {**result, "history": history})


def _past(layout: Layout, result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Earlier verdicts; one on the same window of the same release gives way to the new one."""
    if not layout.verdict.is_file():
        return
    made_by = f"medpipe monitor {layout.workload}"
    for line in files.read_json(layout.verdict, made_by=made_by).get("history", ()):
        now = _line(result)
        if any(line[key] != now[key] for key in ("certificate", "window_end")):
            yield line


def _line(result: Mapping[str, Any]) -> dict[str, Any]:
    """A verdict in the history."""
    return {
        **{key: result[key] for key in ("at", "version", "certificate", "verdict", "action")},
        "window_end": result["window"] and result["window"]["end"],
        "reason": result["reasons"][0],
    }
