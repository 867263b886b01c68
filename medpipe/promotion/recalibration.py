"""A champion whose risks are put right by outcomes, released by the door that promote uses.

Artefact, encoding and code stay those that the gate judged, and the certificate ends on the day on
which the champion's would have: no test has seen the model again. What was found is signed and kept
with the version, so that a person who is asked decides on that, and not on the answers of the day
on which they decide.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from medpipe import certificate, files, gate, keys, objectives, tracking
from medpipe.config import Params
from medpipe.errors import CertificateError, MissingStageError, ParamsError
from medpipe.gate import Check
from medpipe.monitoring.facts import Watched
from medpipe.objectives.binary import Binary, OperatingPoint
from medpipe.paths import Layout
from medpipe.plan import check as plans
from medpipe.plan.check import BY_HAND, DataFacts, Reason
from medpipe.promotion import approval as approvals
from medpipe.promotion import candidate as candidates
from medpipe.promotion import change, judgement, release
from medpipe.promotion.approval import POLICY
from medpipe.promotion.candidate import Candidate
from medpipe.promotion.champion import fetched, in_turn
from medpipe.promotion.judgement import Judgement
from medpipe.promotion.record import Held, Record
from medpipe.recalibration import evidence as evidences
from medpipe.recalibration import known as answers
from medpipe.recalibration import words
from medpipe.recalibration.evidence import Evidence
from medpipe.recalibration.fit import NONE
from medpipe.recalibration.judge import checks
from medpipe.recalibration.moved import logits, moved, risk
from medpipe.workload import Workload

TAG = "medpipe.recalibration"
"""Of a version: what was found, signed."""
BASE = "medpipe.recalibrates"
"""Of a version: content of the trained model that it is a recalibration of."""
KIND = "medpipe recalibration 1"


@dataclass(frozen=True)
class Champion:
    """The release that is recalibrated, verified, in a passing folder."""

    held: Held
    folder: Path
    signed: Mapping[str, Any]
    settings: Mapping[str, Any]
    card: Mapping[str, Any]
    point: OperatingPoint

    @classmethod
    def read(cls, held: Held, folder: Path, objective: Binary) -> Champion:
        """That in `folder`.

        Raises
        ------
        CertificateError : it has expired
        """
        signed = certificate.read(folder)
        certificate.verify_time(signed, change.now())
        settings, card = (
            files.read_json(folder / f"{name}.json", made_by="medpipe promote")
            for name in ("settings", "card")
        )
        return cls(held, folder, signed, settings, card, objective.point(settings))

    @property
    def base(self) -> str:
        """Content of the trained model."""
        return self.held.base or self.held.content

    @property
    def keeps_risk(self) -> bool:
        """Whether its threshold was set as a risk."""
        return bool((self.card.get("threshold") or {}).get("rule") == "fixed")

    @property
    def promised(self) -> Mapping[str, Any]:
        """AUROC, as its card has it: of the answers it was recalibrated by, else of test."""
        splits = self.card["splits"]
        metrics: Mapping[str, Any] = (splits.get("answers") or splits["test"])["metrics"]
        found: Mapping[str, Any] = metrics.get("auroc") or {}
        return found


def recalibrate(
    workload: Workload,
    params: Params,
    layout: Layout,
    *,
    days: int | None = None,
    approver: str = POLICY,
    dry_run: bool = False,
    reason: Reason = BY_HAND,
    run: str | None = None,
) -> dict[str, Any]:
    """Put the champion's risks right by outcomes, and make the result champion if it is allowed.

    Nothing is registered that is refused.

    Parameters
    ----------
    days : answers no older than this are looked at; None for the plan's
    approver, dry_run, run : see `promote`
    reason : why; all but the one by hand are held to the change plan

    Returns
    -------
    dict
        What `promote` gives, with `correction` (intercept, slope) and `words`, what was found.

    Raises
    ------
    ParamsError : the workload does not ask for yes or no
    MissingStageError : there is no champion, or no record of answers
    AuditError, CertificateError, TrackingError, StorageError : it could not be decided
    """
    objective = objectives.of(workload)
    if not isinstance(objective, Binary):
        raise ParamsError(
            f"{workload.name} is {objective.name}, and only answers of yes or no are recalibrated; "
            f"a new calibration of others comes with `medpipe run {workload.name}`"
        )
    with in_turn(layout, settle=not dry_run) as (held, notes):
        if held is None:
            raise MissingStageError(
                f"{workload.name} has no champion; `medpipe promote {workload.name}` makes one"
            )
        with fetched(layout, held.champion) as folder:
            champion = Champion.read(held.champion, folder, objective)
            standing = _standing(layout, held, reason=reason, run=run)
            found, reason = standing or (
                _measured(workload, params, layout, champion, days=days),
                reason,
            )
            candidate = _candidate(workload, layout, champion, found)
            judged = _judged(params, layout, held, champion, found, approver, reason)
            if dry_run or not judged.verdict.allowed:
                outcome = release.told(layout, held, None, judged, notes)
            else:
                outcome = release.carry_out(
                    layout,
                    params,
                    candidate,
                    held,
                    judged,
                    version=tracking.find(layout, release.CONTENT, candidate.content),
                    approver=approver,
                    run=run,
                    notes=notes,
                )
    said = {"correction": vars(found.correction), "words": words.sentences(found)}
    return outcome | said


def is_recalibration(layout: Layout, version: str) -> bool:
    """Whether `version` is one: then an approval of it is carried out here, not by promote."""
    return TAG in tracking.version_tags(layout, version)


def _measured(
    workload: Workload, params: Params, layout: Layout, champion: Champion, *, days: int | None
) -> Evidence:
    policy = params.plan.recalibrate
    since = change.now() - timedelta(days=days or policy.days)
    known = answers.read(
        layout.root,
        workload.name,
        label=workload.label,
        version=champion.held.version,
        since=since.isoformat(timespec="milliseconds"),
    )
    return evidences.weigh(
        known,
        champion.point,
        params.evaluate,
        cases_least=policy.cases_least,
        keeps_risk=champion.keeps_risk,
        promised=champion.promised,
    )


def _standing(
    layout: Layout, held: Record, *, reason: Reason, run: str | None
) -> tuple[Evidence, Reason] | None:
    """What a person was asked about beside this champion, and why; None where all is to find anew.

    That is so before anybody was asked, and where a person starts again after a rejection.
    """
    version = tracking.alias(layout, "candidate")
    tags = {} if version is None else tracking.version_tags(layout, version)
    if version is None or TAG not in tags:
        return None
    question = approvals.read(layout, version)
    if question is None or question.sequence != held.sequence:
        return None
    known = approvals.answered(question, change.now())
    is_resumed = run is not None and question.run == run
    if known is not None and not known.approved and reason == BY_HAND and not is_resumed:
        return None
    what = f"the recalibration that version {version} of {layout.workload} is"
    signed: dict[str, Any] = json.loads(tags[TAG])
    certificate.verify_signature(signed, keys.trusted(layout.home), what=what)
    if (signed["kind"], signed["content"]) != (KIND, question.content):
        raise CertificateError(f"{what} is that of another version: it was copied by hand")
    return Evidence.read(signed["evidence"]), question.reason


def _candidate(
    workload: Workload, layout: Layout, champion: Champion, found: Evidence
) -> Candidate:
    """The champion with other risks, and nothing else that is another."""
    held, folder = champion.held, champion.folder
    after = moved(champion.point, found.correction, keeps_risk=found.keeps_risk)
    settings = {name: value for name, value in champion.settings.items() if name != "version"}
    settings |= after.as_json()
    if "watched" in settings:
        settings["watched"] = _watched(settings["watched"], champion.point, after)
    report = _report(champion, found, after)
    state, code = folder / "state.json", dict(champion.signed["code"])
    content = candidates.content(report["artefact_sha256"], state, settings, code)
    statement = {"kind": KIND, "content": content, "evidence": found.as_json()}
    text = certificate.canonical(certificate.sign(statement, keys.signing_key(layout.home)))
    return Candidate(
        workload=workload,
        report=report,
        report_sha256=certificate.digest(report),
        model=folder / "model.onnx",
        state=state,
        settings=settings,
        code=code,
        content=content,
        base=None if found.correction == NONE else champion.base,
        expires=champion.signed["expires"],
        tags={TAG: text.decode("utf-8"), BASE: champion.base, "medpipe.of": held.version},
    )


def _watched(
    reference: Mapping[str, Any], before: OperatingPoint, after: OperatingPoint
) -> dict[str, Any]:
    """The reference with the edges of its risks moved: the same examples are in the same bins."""
    watched = Watched.model_validate(reference)
    spread = [
        fact.model_copy(
            update={"edges": tuple(risk(after)(logits(np.array(fact.edges), before)).tolist())}
            if (fact.part, fact.name) == ("score", "risk")
            else {}
        )
        for fact in watched.facts
    ]
    return watched.model_copy(update={"facts": tuple(spread)}).model_dump(mode="json")


def _report(champion: Champion, found: Evidence, after: OperatingPoint) -> dict[str, Any]:
    """What evaluate found of the model, and beside it what its answers have shown since."""
    card = champion.card
    judged = {"examples": found.judged.answers, "groups": found.judged.answers}
    answered = {**judged, "positives": found.judged.cases, "metrics": dict(found.after)}
    section = {name: value for name, value in found.as_json().items() if name != "after"}
    return {
        **card,
        "created": card.get("measured"),
        "params": {"split": card.get("split")},
        "artefact_sha256": champion.signed["digests"]["model.onnx"],
        "operating_point": after.as_json(),
        "threshold": {**(card.get("threshold") or {}), "value": after.threshold},
        "splits": {**card["splits"], "answers": answered},
        "recalibration": {
            "of": champion.held.version,
            "words": words.sentences(found),
            **section,
        },
    }


def _judged(
    params: Params,
    layout: Layout,
    held: Record,
    champion: Champion,
    found: Evidence,
    approver: str,
    reason: Reason,
) -> Judgement:
    """Hold what was found against the policy and the change plan; nothing is written."""
    line = vars(found.correction)
    finding = plans.examine_correction(params.plan, line, reason)
    further = [Check("plan", False, None, None, each) for each in finding.broken if finding.stops]
    further += _taken_back(layout, held, champion, approver)
    further += judgement.occupied(held, champion.base, change.now())
    verdict = gate.verdict([*checks(found, params.plan.recalibrate), *further])
    why = plans.occasions(params.plan, finding, recalibrates=True) if verdict.allowed else ()
    return Judgement(
        verdict,
        {
            name: {"difference": gain["value"], "low": gain["low"], "high": gain["high"]}
            for name, gain in found.gain.items()
        },
        params.gate,
        champion.signed["params"],
        DataFacts(**champion.signed["data"]),
        finding,
        why,
        cause=words.cause(found, champion.held.version),
    )


def _taken_back(layout: Layout, held: Record, champion: Champion, approver: str) -> list[Check]:
    """Nobody's policy does again, by a few answers more, what a person has taken back."""
    for version in held.withdrawn:
        if tracking.version_tags(layout, version).get(BASE) == champion.base:
            is_person = approver != POLICY
            then = f"{approver} does it again" if is_person else "only a person may do it again"
            why = f"Version {version}, a recalibration of this model, was rolled back; {then}"
            return [Check("withdrawn", is_person, None, None, why)]
    return []
