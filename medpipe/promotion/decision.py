"""Promote, roll back, and say how things stand."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict

from medpipe import certificate, files, keys, tracking
from medpipe.config import Params
from medpipe.errors import CertificateError, TrackingError
from medpipe.paths import SOURCE, Layout
from medpipe.plan.check import BY_HAND, Reason
from medpipe.probation import ReleaseParams
from medpipe.promotion import approval as approvals
from medpipe.promotion import candidate as candidates
from medpipe.promotion import change, judgement, record
from medpipe.promotion.approval import POLICY
from medpipe.promotion.candidate import Candidate
from medpipe.promotion.champion import fetched, keep, misplaced, scratch, settled
from medpipe.promotion.judgement import Judgement
from medpipe.promotion.record import Held, Record
from medpipe.workload import Workload

_CONTENT = "medpipe.content"


class _Said(TypedDict):
    reason: str
    approver: str


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
    with files.locked(layout.record.with_suffix(".lock")):
        ledger = record.in_force(layout)
        notes = list(ledger.problems)
        if not dry_run:
            notes += settled(layout, ledger)
        held = ledger.record
        if held is not None and (done := _already(layout, held, candidate, notes)) is not None:
            return done
        version = tracking.find(layout, _CONTENT, candidate.content)
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
            return _told(layout, held, version, judged, notes)
        version = version or _registered(layout, candidate)
        tracking.set_alias(layout, "candidate", version)
        judged = judgement.asked(
            layout, params, judged, candidate, held, version=version, run=run, now=change.now()
        )
        approver = judged.approver or approver
        with scratch() as folder:
            new = None
            if judged.verdict.allowed:
                new = _signed(layout, params, candidate, folder, version, judged, approver)
            _log_verdict(layout, candidate, folder, version, judged, notes, approver)
        said: _Said = {"reason": judged.reason, "approver": approver}
        if new is not None:
            if held is not None and _stands_beside(layout, new, held, params.release):
                held = change.begun(layout, new, held, params.release, **said)
            else:
                held = change.promoted(layout, new, held, **said)
        return _told(layout, held, version, judged, notes)


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
        model beside the champion, or None).
    """
    ledger = record.read(layout)
    problems = [*ledger.problems, *misplaced(layout, ledger.record), *_outdated(layout)]
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
        "summary": f"version {version} is champion; {words}",
    }


def _stands_beside(layout: Layout, new: Held, held: Record, release: ReleaseParams) -> bool:
    """Whether `new` goes on probation: it was asked for, and the champion can answer meanwhile."""
    if release.mode == "direct" or new.content == held.champion.content:
        return False
    return not _outdated(layout)


def _outdated(layout: Layout) -> list[str]:
    """Why the service would not take the release although it is whole, in words."""
    try:
        signed = certificate.read(layout.champion)
    except CertificateError:
        return []  # told by `misplaced`, or nothing was promoted yet
    found = []
    try:
        certificate.verify_code(signed, SOURCE)
    except CertificateError as error:
        found.append(str(error))
    try:
        certificate.verify_time(signed, change.now())
    except CertificateError as error:
        found.append(str(error))
    return found


def _registered(layout: Layout, candidate: Candidate) -> str:
    """A new version for the candidate, in the registry of the run that it came from."""
    run_id = tracking.ensure_run(layout, candidate.run_id)
    report = candidate.report
    tags = {
        _CONTENT: candidate.content,
        "medpipe.artefact": report["artefact_sha256"],
        "medpipe.variant": report["variant"],
        "medpipe.run": candidate.run_id,
        "medpipe.data": str(report["data"]["raw_version"]),
        "medpipe.commit": str(report["data"]["commit"]),
    }
    return tracking.register(layout, run_id, candidate.model, tags, [candidate.state])


def _signed(
    layout: Layout,
    params: Params,
    candidate: Candidate,
    folder: Path,
    version: str,
    judged: Judgement,
    approver: str,
) -> Held:
    """Write and sign the release in the empty `folder`, and keep it in the registry."""
    signed = candidates.write_release(
        candidate,
        folder,
        version=version,
        verdict=judged.verdict,
        policy=judged.policy,
        change=judgement.stated(judged, params),
        approver=approver,
        key=keys.signing_key(layout.home),
        now=change.now(),
    )
    champion = Held(version, certificate.digest(signed), candidate.content)
    keep(layout, champion, folder)
    return champion


def _log_verdict(
    layout: Layout,
    candidate: Candidate,
    release: Path,
    version: str,
    judged: Judgement,
    notes: list[str],
    approver: str,
) -> None:
    """The verdict, its reasons and, where there is one, the certificate: to run and version."""
    outcome = judged.as_json() | {"notes": notes}
    tags = {
        "medpipe.verdict": judged.word,
        "medpipe.explanation.reasons": "; ".join(outcome["reasons"]) or "none",
        "medpipe.approver": approver,
    }
    tracking.tag_version(layout, version, tags)
    verdict = release / "verdict.json"
    files.write_json(verdict, {**outcome, "version": version, "approver": approver})
    signed = release / certificate.FILE
    tracking.add_to_run(
        layout,
        candidate.run_id,
        {"gate/allowed": float(outcome["allowed"])},
        [verdict, *([signed] if signed.exists() else [])],
        folder=f"promotion/version-{version}",
        tags={**tags, "medpipe.version": version},
    )


def _already(
    layout: Layout, held: Record, candidate: Candidate, notes: list[str]
) -> dict[str, Any] | None:
    """The outcome where the candidate is champion, or on probation, under a certificate that holds.

    None where it is neither, or its certificate has expired.
    """
    there = {"already champion": held.champion}
    if held.probation is not None:
        there["already on probation"] = held.probation.held
    fits = [(word, each) for word, each in there.items() if each.content == candidate.content]
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
    return {
        "workload": layout.workload,
        "version": found.version,
        "allowed": True,
        "summary": f"{word}; nothing changed",
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


def _told(
    layout: Layout,
    held: Record | None,
    version: str | None,
    judged: Judgement,
    notes: list[str],
) -> dict[str, Any]:
    verdict = judged.verdict
    failed = len(verdict.reasons)
    if verdict.allowed:
        is_champion = held is not None and held.champion.version == version
        asks = f", if a person approves: {approvals.told(judged.why)}" if judged.why else ""
        summary = "is champion now" if is_champion else f"would be allowed{asks}"
        begun = held.probation if held is not None else None
        if begun is not None and begun.held.version == version:
            summary = f"is on probation ({begun.terms.mode}) until {begun.terms.until}"
    elif judged.waits:
        summary = f"the gate allowed it; {verdict.reasons[0]}"
    else:
        summary = f"refused, {failed} of {len(verdict.checks)} checks: {verdict.reasons[0]}"
    return {
        "workload": layout.workload,
        "version": version,
        "summary": summary,
        "champion": held.champion.version if held else None,
        "certificate": held.champion.certificate if held else None,
        "probation": held.probation.held.version if held and held.probation else None,
        **judged.as_json(),
        "notes": notes,
    }
