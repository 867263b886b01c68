"""A person's answer, where the change plan asks for one.

It is one signed statement, kept as a tag of the candidate's version in the registry, where every
machine sees it: first without an answer, then with one. Whatever carries the question to a person
and the answer back (the command line, Prefect's form) only writes it here, and promote only reads
it here. An answer holds for one content, judged beside one champion: when another promotion or a
rollback comes between, the person is asked again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Literal

from medpipe import certificate, files, keys, tracking
from medpipe.errors import CertificateError, ParamsError, TrackingError
from medpipe.gate import Check
from medpipe.paths import Layout
from medpipe.plan.check import Reason

TAG = "medpipe.approval"
KIND = "medpipe approval 1"
POLICY = "policy"
"""Who answers where no person did."""
_TEXT_MAX = 500


@dataclass(frozen=True)
class Answer:
    """Who decided, what, when (UTC, ISO 8601) and why."""

    approved: bool
    approver: str
    reason: str
    at: str


@dataclass(frozen=True)
class Approval:
    """A question to a person, and the answer once there is one.

    Parameters
    ----------
    content : of the candidate; see `promotion.candidate`
    sequence : of the promotion record in force when it was asked; 0 before the first
    reason : why it was trained; the policy that held when it was asked holds when it is answered
    why : why a person is asked, in words
    asked, until : UTC, ISO 8601; not answered by then is rejected, by policy
    run : the flow run on a Prefect server that waits for it; None where none does
    """

    workload: str
    version: str
    content: str
    sequence: int
    reason: Reason
    why: tuple[str, ...]
    asked: str
    until: str
    run: str | None
    answer: Answer | None = None


def read(layout: Layout, version: str) -> Approval | None:
    """The question about `version`; None where none was asked.

    Raises
    ------
    CertificateError : it is forged, or of another version
    """
    text = tracking.version_tags(layout, version).get(TAG)
    if text is None:
        return None
    what = f"the approval of version {version} of {layout.workload}"
    try:
        signed = json.loads(text)
    except ValueError:
        signed = None
    if not isinstance(signed, dict) or signed.get("kind") != KIND:
        raise CertificateError(f"{what} is not readable; remove the version's tag {TAG}")
    certificate.verify_signature(signed, keys.trusted(layout.home), what=what)
    facts = {name: signed[name] for name in Approval.__dataclass_fields__}
    found = Approval(
        **{
            **facts,
            "why": tuple(facts["why"]),
            "answer": Answer(**facts["answer"]) if facts["answer"] else None,
        }
    )
    if (found.workload, found.version) != (layout.workload, version):
        raise CertificateError(f"{what} is that of another version: it was copied by hand")
    return found


def write(layout: Layout, approval: Approval) -> None:
    """Sign `approval` and keep it with its version: whole or not there."""
    signed = certificate.sign({"kind": KIND, **asdict(approval)}, keys.signing_key(layout.home))
    text = certificate.canonical(signed).decode("utf-8")
    tracking.tag_version(layout, approval.version, {TAG: text})


def standing(layout: Layout, version: str | None, content: str, sequence: int) -> Approval | None:
    """The question about `version`, if it is about this content beside this champion."""
    found = None if version is None else read(layout, version)
    fits = found is not None and (found.content, found.sequence) == (content, sequence)
    return found if fits else None


def newest(layout: Layout) -> Approval | None:
    """The question about the newest candidate; None where none was asked about it."""
    version = tracking.alias(layout, "candidate")
    return None if version is None else read(layout, version)


def waiting(layout: Layout, now: datetime) -> Approval | None:
    """The same, while it waits for a person."""
    found = newest(layout)
    return found if found is not None and answered(found, now) is None else None


def of_run(layout: Layout, run: str | None) -> Approval | None:
    """The same, where flow run `run` has put it."""
    found = None if run is None else newest(layout)
    return found if found is not None and found.run == run else None


def answered(approval: Approval, now: datetime) -> Answer | None:
    """The answer: a person's, or the policy's where time is up; None while it waits."""
    if approval.answer is None and now >= datetime.fromisoformat(approval.until):
        why = f"nobody answered from {approval.asked} to {approval.until}"
        return Answer(False, POLICY, why, approval.until)
    return approval.answer


def answer(
    layout: Layout, version: str, *, approved: bool, approver: str, reason: str, now: datetime
) -> Approval:
    """Write down what `approver` decided of `version`; the same answer again changes nothing.

    Parameters
    ----------
    reason : why, for the record and the certificate; names no patient

    Raises
    ------
    ParamsError : no reason or approver, or a long one
    TrackingError : nobody was asked, or it was answered otherwise already
    """
    for what, text in (("reason", reason), ("approver", approver)):
        ensure_text(what, text)
    if approver == POLICY:
        raise ParamsError(f"a person decides: {POLICY!r} is nobody's name; give --approver")
    with files.locked(layout.record.with_suffix(".lock")):
        found = read(layout, version)
        if found is None:
            raise TrackingError(
                f"nobody was asked to approve version {version} of {layout.workload}; "
                f"`medpipe status {layout.workload}` says how things stand"
            )
        known = answered(found, now)
        if known is not None and known.approved == approved:
            return found
        if known is not None:
            raise TrackingError(
                f"{spoken(found, known)}; it stands. `medpipe run {layout.workload}` by hand asks "
                "again"
            )
        made = Answer(approved, approver, reason, now.replace(microsecond=0).isoformat())
        found = replace(found, answer=made)
        write(layout, found)
        if not approved:
            tags = {
                "medpipe.verdict": "refused",
                "medpipe.explanation.reasons": spoken(found, made),
                "medpipe.approver": approver,
            }
            tracking.tag_version(layout, version, tags)
    return found


def ensure_text(what: str, text: str) -> None:
    """Raise ParamsError unless `text` can be signed into a record."""
    if not text.strip() or len(text) > _TEXT_MAX:
        raise ParamsError(f"give a {what} of 1 to {_TEXT_MAX} characters, not {len(text)}")


def check(approval: Approval, known: Answer | None) -> Check:
    """How the question stands, as one of the checks of the verdict."""
    passed = known is not None and known.approved
    return Check("approval", passed, None, None, spoken(approval, known))


def spoken(approval: Approval, known: Answer | None) -> str:
    """One sentence on how the question stands."""
    version = f"Version {approval.version}"
    if known is None:
        return (
            f"{version} waits for a person's approval until {approval.until}: {told(approval.why)}"
        )
    verb: Literal["approved", "rejected"] = "approved" if known.approved else "rejected"
    return f"{version} was {verb} by {known.approver} on {known.at}: {known.reason}"


def told(why: Sequence[str]) -> str:
    """Reasons as the end of a sentence."""
    return "; ".join(each[:1].lower() + each[1:] for each in why)
