"""From a judged candidate to a champion: registered, signed, kept, recorded, and told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medpipe import certificate, files, keys, tracking
from medpipe.config import Params
from medpipe.errors import CertificateError
from medpipe.paths import Layout
from medpipe.promotion import approval as approvals
from medpipe.promotion import candidate as candidates
from medpipe.promotion import judgement, record
from medpipe.promotion.candidate import Candidate
from medpipe.promotion.champion import fetched, follow, keep, scratch
from medpipe.promotion.judgement import Judgement
from medpipe.promotion.record import Held, Ledger, Record

CONTENT = "medpipe.content"
"""Tag of a version: `Candidate.content`."""


def ledger(layout: Layout) -> Ledger:
    """The record, when there is a genuine one or none at all.

    Going on without a champion because its record was damaged would skip the comparison with it.
    """
    found = record.read(layout)
    if found.record is None and found.problems:
        raise CertificateError(
            f"{found.problems[0]}. If it cannot be restored, remove the registered model's tag "
            f"{record.TAG} and {layout.record} to begin anew"
        )
    return found


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
        layout, params, judged, candidate, held, version=version, run=run, now=now()
    )
    approver = judged.approver or approver
    with scratch() as folder:
        champion = None
        if judged.verdict.allowed:
            champion = _signed(layout, params, candidate, folder, version, judged, approver)
        _log_verdict(layout, candidate, folder, version, judged, notes, approver)
    if champion is not None:
        held = _committed(layout, champion, held, judged, approver)
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
        now=now(),
    )
    champion = Held(version, certificate.digest(signed), candidate.content, candidate.base)
    keep(layout, champion, folder)
    return champion


def _committed(
    layout: Layout, champion: Held, held: Record | None, judged: Judgement, approver: str
) -> Record:
    """Put `champion` into the record once it is back from the registry, and let all follow."""
    withdrawn = held.withdrawn if held else ()
    with fetched(layout, champion) as folder:
        after = Record(
            workload=layout.workload,
            sequence=held.sequence + 1 if held else 1,
            action="promote" if champion.base is None else "recalibrate",
            champion=champion,
            previous=_previous(held, champion),
            withdrawn=tuple(version for version in withdrawn if version != champion.version),
            approver=approver,
            reason=judged.reason,
            at=now().isoformat(),
        )
        record.commit(layout, after, keys.signing_key(layout.home))
        follow(layout, after, at_hand=folder)
    return after


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
        **judged.as_json(),
        "notes": notes,
    }


def now() -> datetime:
    """UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def _previous(held: Record | None, champion: Held) -> Held | None:
    """What a rollback goes back to: never the champion itself under its expired certificate."""
    if held is None:
        return None
    return held.previous if held.champion.version == champion.version else held.champion
