"""An answer as a card.

How urgent a card looks follows from the gate's decision alone: a decision of yes is a warning, all
else is information. It is critical only from the risk that the workload itself declares
(`FhirMap.critical_from`); none declares one by default, because nobody has measured that urgency.

References
----------
HL7 CDS Hooks, section Card Attributes, https://cds-hooks.hl7.org.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from medpipe.serving.fhir.answers import notes, rationale
from medpipe.serving.fhir.question import Question
from medpipe.serving.predictor import Answer
from medpipe.serving.release import Release

SUMMARY_MAX = 139
"""Characters: fewer than 140."""
Indicator = Literal["info", "warning", "critical"]


class Source(BaseModel):
    """Whose guidance it is."""

    label: str


class Card(BaseModel):
    """What a clinician is shown."""

    uuid: str = Field(description="The answer's id, for `medpipe trace`")
    summary: str = Field(max_length=SUMMARY_MAX)
    detail: str = Field(description="GitHub-flavoured Markdown")
    indicator: Indicator
    source: Source


class Cards(BaseModel):
    """The response to a hook."""

    cards: list[Card]


def card(answer: Answer, question: Question, release: Release) -> Card:
    """`answer` for the eyes of a clinician; nothing in it leads to another host."""
    return Card(
        uuid=answer.answer_id,
        summary=_short(f"{release.workload.title}: ", _summary(answer)),
        detail=_detail(answer, question, release),
        indicator=_indicator(answer, release),
        source=Source(label=f"medpipe {answer.workload}, model version {answer.model_version}"),
    )


def _summary(answer: Answer) -> str:
    if answer.risk is not None:
        where = "at or above" if answer.decision is True else "below"
        limit = (
            "" if answer.threshold is None else f", {where} the threshold {answer.threshold:.0%}"
        )
        return f"risk {answer.risk:.0%}{limit}"
    if answer.classes is not None:
        share = max(found.probability for found in answer.classes)
        return f"most probably {answer.decision} ({share:.0%})"
    if answer.labels is not None:
        found = [label.name for label in answer.labels if label.decision]
        return f"{len(found)} of {len(answer.labels)} flagged: {', '.join(found) or 'none'}"
    if answer.value is not None:
        ends = "" if answer.low is None else f" ({answer.low:g} to {answer.high:g})"
        return f"{answer.value:g} {answer.unit or ''}".rstrip() + ends
    return "no figure is given for this patient"


def _short(title: str, said: str) -> str:
    """Both within the limit; what was found comes first."""
    said = said[:SUMMARY_MAX]
    room = SUMMARY_MAX - len(said)
    if len(title) > room:
        title = f"{title[: room - 3].rstrip()}…: " if room > 3 else ""
    return title + said


def _indicator(answer: Answer, release: Release) -> Indicator:
    fhir = release.workload.fhir
    limit = None if fhir is None else fhir.critical_from
    if limit is not None and answer.risk is not None and answer.risk >= limit:
        return "critical"
    flagged = answer.decision is True or any(label.decision for label in answer.labels or ())
    return "warning" if flagged else "info"


def _detail(answer: Answer, question: Question, release: Release) -> str:
    points = [*rationale(answer).split("; "), *notes(answer, question, release)]
    points.append(f"Certificate {answer.certificate_sha256}, answer {answer.answer_id}")
    return "\n".join(f"- {point}" for point in points)
