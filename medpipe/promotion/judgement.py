"""What promote finds before it decides: gate, change plan, and whether a person must be asked."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from medpipe import certificate, config, files, gate
from medpipe.config import GateParams, Params
from medpipe.errors import CertificateError
from medpipe.gate import Check, Verdict
from medpipe.paths import Layout
from medpipe.plan import accept
from medpipe.plan import check as plans
from medpipe.plan import facts as facts_of
from medpipe.plan.check import DataFacts, Finding, Reason
from medpipe.promotion import approval as approvals
from medpipe.promotion import record
from medpipe.promotion.approval import POLICY, Answer, Approval
from medpipe.promotion.candidate import Candidate
from medpipe.promotion.champion import fetched
from medpipe.promotion.record import Record
from medpipe.workload import Workload

_MADE = ("split", "preprocess", "model", "augment", "train", "export", "evaluate")
"""Sections that a report's model was made with, whatever params.yaml says since."""


@dataclass(frozen=True)
class Judgement:
    """What is known of a candidate.

    Parameters
    ----------
    comparison : that the verdict rests on; None without a champion
    policy : what the gate demanded: for an automatic retrain also what the plan asks beyond it
    params : effective, of this candidate
    why : why a person must approve it; none where nobody must, or the gate refused it
    approval : the question, once it was asked
    cause : why it may become champion, for the record
    """

    verdict: Verdict
    comparison: dict[str, Any] | None
    policy: GateParams
    params: dict[str, Any]
    facts: DataFacts
    finding: Finding
    why: tuple[str, ...]
    approval: Approval | None = None
    answer: Answer | None = None
    cause: str = "the gate allowed it"

    @property
    def waits(self) -> bool:
        """Whether a person was asked and nobody has answered yet."""
        return self.approval is not None and self.answer is None

    @property
    def approver(self) -> str | None:
        """The person who approved it; None where nobody was asked, or did."""
        return self.answer.approver if self.answer and self.answer.approved else None

    @property
    def reason(self) -> str:
        """Why it becomes champion, for the record."""
        said = f"; approved: {self.answer.reason}" if self.answer else ""
        return f"{self.cause}{said}"

    @property
    def word(self) -> str:
        """The verdict as a tag: allowed, waits or refused."""
        return "allowed" if self.verdict.allowed else "waits" if self.waits else "refused"

    def as_json(self) -> dict[str, Any]:
        """The verdict with what it rests on, and the question to a person while it is open."""
        question = asdict(self.approval) if self.approval and self.waits else None
        return {
            **self.verdict.as_json(),
            "comparison": self.comparison,
            "plan": self.finding.as_json(),
            "waits": question,
        }


def judge(
    workload: Workload,
    params: Params,
    layout: Layout,
    candidate: Candidate,
    held: Record | None,
    *,
    version: str | None,
    approver: str,
    reason: Reason,
    now: datetime,
) -> Judgement:
    """Hold `candidate` against gate, champion and plan; nothing is written."""
    by_hand = reason == plans.BY_HAND
    policy = params.gate if by_hand else accept.tightened(params.gate, params.plan.accept)
    report = comparison = signed = newest = None
    doubts: tuple[str, ...] = ()
    if held is not None:
        with fetched(layout, held.champion) as folder:
            signed = certificate.read(folder)
            report = files.read_json(folder / "card.json", made_by="medpipe promote")
            # Without an operating point there is nothing to compare; the gate says so itself.
            if policy.margins and None not in candidate.report["operating_point"].values():
                # Delayed: it loads SciPy, and whoever rolls back at night waits for that.
                from medpipe.promotion.challenge import challenge

                limits = params.model_copy(update={"gate": policy})
                found = challenge(
                    workload, limits, layout, candidate=candidate.report, champion=folder
                )
                report, comparison = {**report, **found.report}, found.comparison
            from medpipe.promotion import arrivals

            newest = arrivals.newest(workload, params, layout, candidate.report, signed)
            doubts = arrivals.doubts(workload, params, layout, folder, signed)
    verdict = gate.decide(candidate.report, report, policy, comparison, newest)
    made = effective(params, candidate)
    facts = _facts(workload, params, layout, signed, doubts)
    facts = replace(facts, parts=candidate.report["data"].get("raw_parts"))
    finding = plans.examine(params.plan, signed, made, facts, reason)
    further = [*_withdrawn(held, version, approver), *occupied(held, candidate.content, now)]
    further += [Check("plan", False, None, None, line) for line in finding.broken if finding.stops]
    verdict = gate.verdict([*verdict.checks, *further])
    why = plans.occasions(params.plan, finding, is_first=held is None) if verdict.allowed else ()
    return Judgement(verdict, comparison, policy, made, facts, finding, why)


def asked(
    layout: Layout,
    params: Params,
    judged: Judgement,
    candidate: Candidate,
    held: Record | None,
    *,
    version: str,
    run: str | None,
    now: datetime,
) -> Judgement:
    """`judged` with the question that the plan asks a person, and its answer among the checks.

    It is asked where nobody was asked yet, where the answer was about another moment, and where a
    person has started a run after a rejection.
    """
    if not judged.why:
        return judged
    sequence = held.sequence if held else 0
    found = approvals.standing(layout, version, candidate.content, sequence)
    known = None if found is None else approvals.answered(found, now)
    # A run that was resumed with a rejection ends with it; a new one by a person asks anew.
    is_resumed = run is not None and found is not None and found.run == run
    is_anew = judged.finding.reason == plans.BY_HAND and not is_resumed
    if found is None or (known is not None and not known.approved and is_anew):
        known = None
        found = Approval(
            workload=layout.workload,
            version=version,
            content=candidate.content,
            sequence=sequence,
            reason=judged.finding.reason,
            why=judged.why,
            asked=now.isoformat(),
            until=(now + timedelta(days=params.plan.answer_days)).isoformat(),
            run=run,
        )
        approvals.write(layout, found)
    checks = [*judged.verdict.checks, approvals.check(found, known)]
    return replace(judged, verdict=gate.verdict(checks), approval=found, answer=known)


def reason_of(
    layout: Layout,
    candidate: Candidate,
    held: Record | None,
    *,
    version: str | None,
    given: Reason,
    now: datetime,
) -> Reason:
    """Why `candidate` was trained: as a question says that is not answered with no, else `given`.

    Whoever promotes it after the answer does so on behalf of the run that asked.
    """
    sequence = held.sequence if held else 0
    found = approvals.standing(layout, version, candidate.content, sequence)
    known = None if found is None else approvals.answered(found, now)
    is_open = found is not None and (known is None or known.approved)
    return found.reason if found is not None and is_open else given


def planned(workload: Workload, params: Params, layout: Layout, reason: Reason) -> Finding:
    """Whether a training for `reason` would stay within the change plan; raw must be there.

    Raises
    ------
    CertificateError : the champion is not what the gate allowed, so nothing can be held against it
    """
    from medpipe.promotion import arrivals  # delayed: it loads SciPy

    ledger = record.read(layout)
    if ledger.record is None and ledger.problems:
        raise CertificateError(ledger.problems[0])
    signed = None
    doubts: tuple[str, ...] = ()
    if ledger.record is not None:
        with fetched(layout, ledger.record.champion) as folder:
            signed = certificate.read(folder)
            doubts = arrivals.doubts(workload, params, layout, folder, signed)
    facts = _facts(workload, params, layout, signed, doubts)
    return plans.examine(params.plan, signed, config.effective(params), facts, reason)


def effective(params: Params, candidate: Candidate) -> dict[str, Any]:
    """Parameters of the candidate: how it was made by its report, how it is judged and served now.

    A section that changes nothing of the report may have changed since evaluate ran.
    """
    told = candidate.report.get("params") or {}
    return {**config.effective(params), **{name: told[name] for name in _MADE if name in told}}


def stated(judged: Judgement, params: Params) -> dict[str, Any]:
    """What a certificate says of parameters, data, plan and approval."""
    approval = None
    if judged.approval is not None and judged.answer is not None:
        question = {"asked": judged.approval.asked, "why": list(judged.approval.why)}
        approval = {**asdict(judged.answer), **question}
    return {
        "params": judged.params,
        "data": {
            **{"source": judged.facts.source, "labelled": judged.facts.labelled},
            "parts": judged.facts.parts,
        },
        "plan": {
            "digest": certificate.digest(params.plan.model_dump(mode="json")),
            **judged.finding.as_json(),
        },
        "approval": approval,
    }


def _facts(
    workload: Workload,
    params: Params,
    layout: Layout,
    signed: dict[str, Any] | None,
    doubts: tuple[str, ...],
) -> DataFacts:
    """Of raw, with what monitoring and the champion's own answers say of it."""
    champion = None if signed is None else certificate.digest(signed)
    found = facts_of.of(workload, params, layout, champion=champion)
    return replace(found, doubts=(*found.doubts, *doubts))


def occupied(held: Record | None, content: str, now: datetime) -> list[Check]:
    """One model at a time is on probation: answers are shared out, and compared, between two."""
    begun = held.probation if held is not None else None
    if begun is None or begun.held.content == content:
        return []
    version, until = begun.held.version, begun.terms.until
    if now >= datetime.fromisoformat(until):
        return []
    why = (
        f"Version {version} is on probation until {until}; wait, or end it with `medpipe release "
        "--full` or `--stop`"
    )
    return [Check("probation", False, None, None, why)]


def _withdrawn(held: Record | None, version: str | None, approver: str) -> list[Check]:
    if held is None or version not in held.withdrawn:
        return []
    why = f"Version {version} was rolled back"
    if approver == POLICY:
        return [Check("withdrawn", False, None, None, f"{why}; only a person may promote it again")]
    return [Check("withdrawn", True, None, None, f"{why}; {approver} promotes it again")]
