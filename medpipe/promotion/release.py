"""From a judged candidate to a champion: registered, signed, kept, recorded, and told."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

from medpipe import certificate, files, keys, tracking
from medpipe.config import Params
from medpipe.errors import CertificateError
from medpipe.paths import SOURCE, Layout
from medpipe.probation import ReleaseParams
from medpipe.promotion import approval as approvals
from medpipe.promotion import candidate as candidates
from medpipe.promotion import change, judgement
from medpipe.promotion.candidate import Candidate
from medpipe.promotion.champion import keep, scratch
from medpipe.promotion.judgement import Judgement
from medpipe.promotion.record import Held, Record

CONTENT = "medpipe.content"
"""Tag of a version: `Candidate.content`."""


class _Said(TypedDict):
    reason: str
    approver: str


def carry_out(
    layout: Layout,
    params: Params,
    candidate: Candidate,
    held: Record | None,
    judged: Judgement,
    *,
    version: str | None,
    approver: str,
    run: str | None,
    notes: list[str],
) -> dict[str, Any]:
    """Do with a judged `candidate` what the verdict says: register it, ask, sign, release.

    Parameters
    ----------
    held : the record in force
    version : of the candidate; None where it has none yet
    approver : who answers for it, where no person is asked
    run : the flow run that waits for an approval, if one will
    """
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
    if new is not None:
        said: _Said = {"reason": judged.reason, "approver": approver}
        if held is not None and _stands_beside(layout, new, held, params.release):
            held = change.begun(layout, new, held, params.release, **said)
        else:
            held = change.promoted(layout, new, held, **said)
    return told(layout, held, version, judged, notes)


def _registered(layout: Layout, candidate: Candidate) -> str:
    """A new version for the candidate, in the registry of the run that it came from."""
    run_id = tracking.ensure_run(layout, candidate.run_id)
    report = candidate.report
    tags = {
        **candidate.tags,
        CONTENT: candidate.content,
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
    champion = Held(version, certificate.digest(signed), candidate.content, candidate.base)
    keep(layout, champion, folder)
    return champion


def _stands_beside(layout: Layout, new: Held, held: Record, release: ReleaseParams) -> bool:
    """Whether `new` goes on probation: it was asked for, and the champion can answer meanwhile.

    A recalibration does not: it decides as the champion does.
    """
    if release.mode == "direct" or new.base is not None or new.content == held.champion.content:
        return False
    return not outdated(layout)


def outdated(layout: Layout) -> list[str]:
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
    papers = [verdict, release / certificate.FILE, release / "report.json"]
    if candidate.base is not None:  # of a trained model, evaluate has put it there
        papers[-1].write_bytes(certificate.canonical(candidate.report))
    tracking.add_to_run(
        layout,
        candidate.run_id,
        {"gate/allowed": float(outcome["allowed"])},
        [paper for paper in papers if paper.exists()],
        folder=f"promotion/version-{version}",
        tags={**tags, "medpipe.version": version},
    )


def told(
    layout: Layout,
    held: Record | None,
    version: str | None,
    judged: Judgement,
    notes: list[str],
) -> dict[str, Any]:
    """The outcome as `promote` describes it; `version` is the candidate's."""
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
