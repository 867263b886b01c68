"""What becomes of a model on probation and of a new champion: by a person, or by what was counted.

The service stops asking a model by itself, within a second, but it holds no key: what follows is
signed here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from medpipe import files, probation
from medpipe.config import Params
from medpipe.errors import TrackingError
from medpipe.paths import Layout
from medpipe.probation import Decision, Tally
from medpipe.promotion import change, decision, evidence, record
from medpipe.promotion.approval import POLICY
from medpipe.promotion.champion import settled
from medpipe.promotion.record import OnProbation, Record
from medpipe.workload import Workload

_REASON_MAX = 500


@dataclass(frozen=True)
class Judged:
    """How a release stands by the record of answers.

    Parameters
    ----------
    version : on probation, or champion
    what : on probation, or watched as a new champion
    until : UTC, ISO 8601
    """

    version: str
    what: str
    until: str
    tally: Tally
    decision: Decision


def full(layout: Layout, *, reason: str, approver: str, sequence: int | None = None) -> Record:
    """Make the model on probation champion.

    Parameters
    ----------
    sequence : of the record in force when this was decided; None where a person decides now

    Raises
    ------
    TrackingError : none is on probation, or another record came between
    """
    with files.locked(layout.record.with_suffix(".lock")):
        held = _held(layout, sequence)
        begun = change.on_probation(held)
        return change.promoted(layout, begun.held, held, reason=reason, approver=approver)


def stop(layout: Layout, *, reason: str, approver: str, sequence: int | None = None) -> Record:
    """Take the model on probation away; see `full`."""
    with files.locked(layout.record.with_suffix(".lock")):
        held = _held(layout, sequence)
        return change.ended(layout, held, reason=reason, approver=approver)


def standing(workload: Workload, params: Params, layout: Layout) -> Judged | None:
    """How the model on probation, or else the new champion, stands; None where there is neither.

    Raises
    ------
    AuditError : the record of answers is out of reach, or was changed
    """
    held = record.in_force(layout).record
    return None if held is None else _judged(workload, params, layout, held)


def judge(workload: Workload, params: Params, layout: Layout) -> dict[str, Any]:
    """Do what follows from what was counted, in the policy's name.

    Returns
    -------
    dict
        workload, summary, verb (keep on, full, roll back; None where nothing is judged), version,
        why (sentences), tally, champion (version, after it).

    Raises
    ------
    AuditError : the record of answers is out of reach, or was changed; nothing is decided
    TrackingError : the record of promotions changed meanwhile; the next judgement is of that
    """
    held = record.in_force(layout).record
    found = None if held is None else _judged(workload, params, layout, held)
    if held is None or found is None:
        champion = None if held is None else held.champion.version
        nothing: dict[str, Any] = {
            "verb": None,
            "version": None,
            "why": [],
            "tally": None,
            "champion": champion,
        }
        summary = "no model is on probation, and no new champion is watched"
        return {"workload": workload.name, "summary": summary, **nothing}
    verb, reason = found.decision.verb, "; ".join(found.decision.why)[:_REASON_MAX]
    after = held
    if verb == "full":
        after = full(layout, reason=reason, approver=POLICY, sequence=held.sequence)
    elif verb == "roll back" and held.probation is not None:
        after = stop(layout, reason=reason, approver=POLICY, sequence=held.sequence)
    elif verb == "roll back":
        decision.rollback(workload, layout, reason=reason, approver=POLICY, sequence=held.sequence)
        after = record.in_force(layout).record or held
    return {"champion": after.champion.version, **told(workload, found)}


def told(workload: Workload, found: Judged) -> dict[str, Any]:
    """`found` for a command to print."""
    verb = found.decision.verb
    return {
        "workload": workload.name,
        "summary": f"version {found.version}, {found.what} until {found.until}: {verb}",
        "verb": verb,
        "version": found.version,
        "why": list(found.decision.why),
        "tally": asdict(found.tally),
    }


def _judged(workload: Workload, params: Params, layout: Layout, held: Record) -> Judged | None:
    if held.probation is not None:
        return _of_probation(workload, layout, held.probation)
    return _of_champion(params, layout, held)


def _of_probation(workload: Workload, layout: Layout, begun: OnProbation) -> Judged:
    tally = evidence.of_probation(workload, layout.root, begun)
    found = probation.decide(tally, begun.terms, change.now())
    why = probation.stopped(layout.probation)
    if why is not None and found.verb != "roll back":
        found = Decision("roll back", (f"The service stopped it: {why}",))
    what = f"on probation ({begun.terms.mode})"
    return Judged(begun.held.version, what, begun.terms.until, tally, found)


def _of_champion(params: Params, layout: Layout, held: Record) -> Judged | None:
    """While it is new, and there is one to go back to."""
    until = datetime.fromisoformat(held.at) + timedelta(hours=params.release.watch_hours)
    if held.action != "promote" or held.previous is None or change.now() >= until:
        return None
    bounds = params.release
    tally = evidence.of_champion(layout.root, held.champion, bounds, since=held.at)
    broken = probation.surely_broken(tally, bounds)
    why = broken or tuple(probation.spoken(tally, bounds))
    found = Decision("roll back" if broken else "keep on", why)
    return Judged(held.champion.version, "new champion, watched", until.isoformat(), tally, found)


def _held(layout: Layout, sequence: int | None) -> Record:
    """The record in force, and everything following it."""
    ledger = record.in_force(layout)
    settled(layout, ledger)
    held = ledger.record
    if held is None:
        raise TrackingError(f"no model of {layout.workload} was ever promoted")
    change.ensure_unchanged(held, sequence)
    return held
