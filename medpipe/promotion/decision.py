"""Promote, roll back, and say how things stand."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from medpipe import certificate, files, tracking
from medpipe.config import Params
from medpipe.errors import CertificateError, TrackingError
from medpipe.paths import Layout
from medpipe.plan.check import BY_HAND, Reason
from medpipe.promotion import approval as approvals
from medpipe.promotion import candidate as candidates
from medpipe.promotion import change, judgement, record, release
from medpipe.promotion.approval import POLICY
from medpipe.promotion.candidate import Candidate
from medpipe.promotion.champion import fetched, in_turn, misplaced, settled
from medpipe.promotion.record import Record
from medpipe.workload import Workload


def promote(
    workload: Workload,
    params: Params,
    layout: Layout,
    *,
    approver: str = POLICY,
    dry_run: bool = False,
    reason: Reason = BY_HAND,
    run: str | None = None,
) -> dict[str, Any]:
    """Let the gate decide on the newest model, and make it champion if it is allowed.

    Where the change plan wants a person's approval, it is asked for, and nothing is released before
    `approval.answer` has it: promote then, once more, does so.

    Parameters
    ----------
    approver : who answers for it; a version that was rolled back needs a person here
    dry_run : only say what the verdict would be; nothing is written anywhere
    reason : why it was trained; all but the one by hand are held to the change plan
    run : the flow run that waits for the approval, if one will

    Returns
    -------
    dict
        workload, version (None in a dry run of a new model), allowed, summary, reasons, checks,
        comparison, champion (version), certificate (its digest), probation (version beside it),
        plan (reason, within, broken), waits (the question to a person; None where none is open) and
        notes: what was found out of place.

    Raises
    ------
    MissingStageError, TrackingError, CertificateError, StorageError : it could not be decided
    """
    candidate = candidates.read(workload, params, layout)
    with in_turn(layout, settle=not dry_run) as (held, notes):
        if held is not None and (done := _already(layout, held, candidate, notes)) is not None:
            return done
        version = tracking.find(layout, release.CONTENT, candidate.content)
        reason = judgement.reason_of(
            layout, candidate, held, version=version, given=reason, now=change.now()
        )
        judged = judgement.judge(
            workload,
            params,
            layout,
            candidate,
            held,
            version=version,
            approver=approver,
            reason=reason,
            now=change.now(),
        )
        if dry_run:
            return release.told(layout, held, version, judged, notes)
        return release.carry_out(
            layout,
            params,
            candidate,
            held,
            judged,
            version=version,
            approver=approver,
            run=run,
            notes=notes,
        )


def rollback(
    workload: Workload,
    layout: Layout,
    *,
    reason: str,
    approver: str,
    sequence: int | None = None,
) -> dict[str, Any]:
    """Make the previous model champion again; its own certificate must still hold.

    Parameters
    ----------
    reason : why, for the record; names no patient
    approver : who decided it
    sequence : of the record in force when that was; None where it is decided now

    Raises
    ------
    TrackingError : there is nothing to go back to, or another record came between
    CertificateError : the previous release is not what the gate allowed
    """
    approvals.ensure_text("reason", reason)
    with files.locked(layout.record.with_suffix(".lock")):
        ledger = record.in_force(layout)
        held = ledger.record
        if held is None:
            raise TrackingError(f"no model of {workload.name} was ever promoted; nothing to undo")
        change.ensure_unchanged(held, sequence)
        notes = [*ledger.problems, *settled(layout, ledger)]
        if held.previous is None and held.action == "rollback" and notes:
            return _rolled_back(held, notes)  # the last one was killed; settling has ended it
        after = change.rolled_back(layout, held, reason=reason, approver=approver)
    return _rolled_back(after, notes)


def status(workload: Workload, layout: Layout) -> dict[str, Any]:
    """Which model is champion, and in words whether registry, record and release folder agree.

    Returns
    -------
    dict
        workload, summary, fits, problems, champion, previous, candidate (versions), sequence,
        action, approver, reason, at, withdrawn, release (folder), certificate (digest), registry,
        waits (the question to a person, while it is open), probation (version and terms of the
        model beside the champion, or None), recalibrates (version of the trained model whose risks
        the champion puts right; None where it is one itself).
    """
    ledger = record.read(layout)
    problems = [*ledger.problems, *misplaced(layout, ledger.record), *release.outdated(layout)]
    held = ledger.record
    question = approvals.waiting(layout, change.now())
    facts: dict[str, Any] = {
        "workload": workload.name,
        "fits": not problems,
        "problems": problems,
        "candidate": tracking.alias(layout, "candidate"),
        "registry": tracking.shown_uri(layout),
        "waits": question and asdict(question),
    }
    if held is None:
        return {**facts, "champion": None, "previous": None, "summary": "nothing is promoted yet"}
    version = held.champion.version
    words = "everything fits" if not problems else f"{len(problems)} thing(s) do not fit"
    begun = held.probation
    if begun is not None:
        words = f"version {begun.held.version} is on probation beside it; {words}"
    base = held.champion.base and tracking.find(layout, release.CONTENT, held.champion.base)
    is_what = (
        "champion" if base is None else f"champion, version {base} with its risks recalibrated"
    )
    return {
        **facts,
        "champion": version,
        "previous": held.previous and held.previous.version,
        "sequence": held.sequence,
        "action": held.action,
        "approver": held.approver,
        "reason": held.reason,
        "at": held.at,
        "withdrawn": list(held.withdrawn),
        "release": str(layout.champion),
        "certificate": held.champion.certificate,
        "probation": begun and {"version": begun.held.version, **asdict(begun.terms)},
        "recalibrates": base,
        "summary": f"version {version} is {is_what}; {words}",
    }


def _already(
    layout: Layout, held: Record, candidate: Candidate, notes: list[str]
) -> dict[str, Any] | None:
    """The outcome where the candidate is champion, or on probation, under a certificate that holds.

    None where it is neither, or its certificate has expired. What was recalibrated since is not
    taken back by a training that finds nothing new.
    """
    there = {"already champion": held.champion}
    if held.probation is not None:
        there["already on probation"] = held.probation.held
    fits = [
        (word, each)
        for word, each in there.items()
        if candidate.content in (each.content, each.base)
    ]
    if not fits:
        return None
    ((word, found),) = fits
    with fetched(layout, found) as folder:
        signed = certificate.read(folder)
    try:
        certificate.verify_time(signed, change.now())
    except CertificateError as error:
        notes.append(str(error))
        return None
    since = "" if found.base is None else ", its risks recalibrated"
    return {
        "workload": layout.workload,
        "version": found.version,
        "allowed": True,
        "summary": f"{word}{since}; nothing changed",
        "reasons": [],
        "checks": signed["checks"],
        "comparison": None,
        "plan": {name: value for name, value in signed["plan"].items() if name != "digest"},
        "waits": None,
        "champion": held.champion.version,
        "certificate": held.champion.certificate,
        "probation": held.probation and held.probation.held.version,
        "notes": notes,
    }


def _rolled_back(held: Record, notes: list[str]) -> dict[str, Any]:
    version, withdrawn = held.champion.version, held.withdrawn[-1]
    return {
        "workload": held.workload,
        "version": version,
        "withdrawn": withdrawn,
        "certificate": held.champion.certificate,
        "summary": f"version {version} is champion again; version {withdrawn} is withdrawn",
        "notes": notes,
    }
