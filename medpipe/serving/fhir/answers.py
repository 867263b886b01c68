"""Answers as FHIR R4 resources.

They are plain JSON, made here field by field, and tested against two libraries that validate FHIR
(`fhir.resources` and SMART's `fhirclient`). The service itself needs neither.

References
----------
HL7 FHIR R4 (4.0.1), https://hl7.org/fhir/R4/: RiskAssessment (whose probabilityDecimal is a
percentage, at most 100), DiagnosticReport, Observation, Device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from html import escape
from typing import Any

from medpipe.io.fhir.elements import UCUM
from medpipe.serving.fhir.question import Question
from medpipe.serving.predictor import Answer
from medpipe.serving.release import Release

Resource = dict[str, Any]

_INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
_MODEL = {"reference": "#model"}


def resource(answer: Answer, question: Question, release: Release, *, at: datetime) -> Resource:
    """`answer` as a RiskAssessment; as a DiagnosticReport where it is of a file or no risk.

    Parameters
    ----------
    at : when it was given, with its zone
    """
    is_risk = answer.risk is not None or answer.classes is not None
    if release.workload.payload == "record" and is_risk:
        return _assessment(answer, question, release, at)
    return _report(answer, question, release, at)


def percent(share: float) -> float:
    """`share` in %, of the same decimal digits."""
    return float(Decimal(repr(share)) * 100)


def _assessment(answer: Answer, question: Question, release: Release, at: datetime) -> Resource:
    return {
        "resourceType": "RiskAssessment",
        "text": _narrative(answer, release),
        "contained": [_device(answer, release)],
        "identifier": [_identifier(answer)],
        "status": "final",
        "method": {"text": _method(answer)},
        "code": {"text": release.workload.title},
        **_about(question),
        "occurrenceDateTime": _instant(at),
        "performer": _MODEL,
        **_listed("basis", [{"reference": reference} for reference in question.used]),
        **_listed("prediction", list(_predictions(answer, release))),
        "note": [{"text": note} for note in notes(answer, question, release)],
    }


def _predictions(answer: Answer, release: Release) -> Iterator[Resource]:
    if answer.risk is not None:
        yield {
            "outcome": {"text": release.workload.title},
            "probabilityDecimal": percent(answer.risk),
            **_decided("qualitativeRisk", answer.decision, answer.threshold),
            "rationale": rationale(answer),
        }
    for found in answer.classes or ():
        is_chosen = found.name == answer.decision
        yield {
            "outcome": {"text": found.name},
            "probabilityDecimal": percent(found.probability),
            **({"qualitativeRisk": {"text": "the most probable class"}} if is_chosen else {}),
        }


def _report(answer: Answer, question: Question, release: Release, at: datetime) -> Resource:
    about = {**_about(question), "effectiveDateTime": _instant(at)}
    shared = {
        "status": "final",
        **about,
        "device": _MODEL,
        "method": {"text": _method(answer)},
        "note": [{"text": note} for note in notes(answer, question, release)],
    }
    found = [
        {"resourceType": "Observation", "id": f"result-{number}", **result, **shared}
        for number, result in enumerate(_results(answer, release), start=1)
    ]
    return {
        "resourceType": "DiagnosticReport",
        "text": _narrative(answer, release),
        # Only an Observation can name the device, and nothing may be contained that nobody names.
        **_listed("contained", [*found, _device(answer, release)] if found else []),
        "identifier": [_identifier(answer)],
        "status": "final",
        "code": {"text": release.workload.title},
        **about,
        "issued": _instant(at),
        **_listed("result", [{"reference": f"#{result['id']}"} for result in found]),
        "conclusion": ". ".join((rationale(answer), *notes(answer, question, release))),
    }


def _results(answer: Answer, release: Release) -> Iterator[Resource]:
    """What each Observation says beside whom, when and how."""
    code = {"text": release.workload.title}
    if answer.risk is not None:
        yield {"code": code, **_flagged(answer.risk, answer.decision, answer.threshold)}
    for label in answer.labels or ():
        text = label.meaning or label.name
        yield {"code": {"text": text}, **_flagged(label.risk, label.decision, label.threshold)}
    if answer.classes is not None:
        parts = [
            {"code": {"text": found.name}, "valueQuantity": _percentage(found.probability)}
            for found in answer.classes
        ]
        value = {"valueCodeableConcept": {"text": str(answer.decision)}}
        yield {"code": code, **value, "component": parts}
    if answer.value is not None:
        yield {"code": code, "valueQuantity": _quantity(answer.value, answer), **_range(answer)}


def _flagged(risk: float, decision: Any, threshold: float | None) -> Resource:
    limit = (
        {}
        if threshold is None
        else {"referenceRange": [{"high": _percentage(threshold), "text": "threshold"}]}
    )
    decided = _decided("interpretation", decision, threshold)
    listed = {name: [value] for name, value in decided.items()}
    return {"valueQuantity": _percentage(risk), **listed, **limit}


def _range(answer: Answer) -> Resource:
    if answer.low is None or answer.high is None or answer.coverage is None:
        return {}
    share = f"of the range that holds {answer.coverage:.0%} of true values"
    ends = (("lower end", answer.low), ("upper end", answer.high))
    return {
        "component": [
            {"code": {"text": f"{end} {share}"}, "valueQuantity": _quantity(value, answer)}
            for end, value in ends
        ]
    }


def rationale(answer: Answer) -> str:
    """The figures of `answer` in words, and what moved it most, if that was asked for."""
    said = []
    if answer.risk is not None:
        said.append(f"calibrated risk {answer.risk:.1%}")
    if answer.threshold is not None:
        said.append(f"threshold {answer.threshold:.1%}")
    if answer.classes is not None:
        said += [f"{found.name} {found.probability:.1%}" for found in answer.classes]
    said += [f"{label.name} {label.risk:.1%}" for label in answer.labels or ()]
    if answer.value is not None:
        said.append(f"{answer.value:g} {answer.unit or ''}".rstrip())
    if answer.explanation is not None:
        said += [
            f"{reason.what}: {reason.value} ({'raised' if reason.effect > 0 else 'lowered'} it)"
            for reason in answer.explanation.reasons
        ]
    return "; ".join(said) or "no figure is given for this example"


def notes(answer: Answer, question: Question, release: Release) -> tuple[str, ...]:
    """What the reader must know: what makes it less certain, and what it is and is not for."""
    workload = release.workload
    return (
        *answer.caveats(),
        *question.notes,
        f"Intended use: {workload.intended_use}",
        f"Not for: {workload.not_for}",
    )


def _decided(name: str, decision: Any, threshold: float | None) -> Mapping[str, Any]:
    """Whether a risk reaches its threshold, as a CodeableConcept; nothing if nobody decided."""
    if not isinstance(decision, bool):
        return {}
    code, display = ("POS", "Positive") if decision else ("NEG", "Negative")
    limit = "" if threshold is None else f" of {threshold:.1%}"
    where = "at or above" if decision else "below"
    coding = {"system": _INTERPRETATION, "code": code, "display": display}
    return {name: {"coding": [coding], "text": f"{where} the threshold{limit}"}}


def _about(question: Question) -> Resource:
    subject = {"subject": {"reference": question.patient}}
    if question.encounter is None:
        return subject
    return {**subject, "encounter": {"reference": question.encounter}}


def _device(answer: Answer, release: Release) -> Resource:
    return {
        "resourceType": "Device",
        "id": "model",
        "deviceName": [{"name": f"medpipe {release.workload.name}", "type": "model-name"}],
        "version": [
            {"type": {"text": "model"}, "value": answer.model_version},
            {"type": {"text": "certificate, SHA-256"}, "value": answer.certificate_sha256},
        ],
        "note": [{"text": f"Intended use: {release.workload.intended_use}"}],
    }


def _narrative(answer: Answer, release: Release) -> Resource:
    said = f"{release.workload.title}: {rationale(answer)}"
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escape(said)}</p></div>',
    }


def _identifier(answer: Answer) -> Resource:
    return {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{answer.answer_id}"}


def _method(answer: Answer) -> str:
    return f"medpipe {answer.workload}, model version {answer.model_version}"


def _percentage(share: float) -> Resource:
    return {"value": percent(share), "unit": "%", "system": UCUM, "code": "%"}


def _quantity(value: float, answer: Answer) -> Resource:
    return {"value": value, **({"unit": answer.unit} if answer.unit else {})}


def _listed(name: str, values: list[Resource]) -> Resource:
    """FHIR knows no empty lists."""
    return {name: values} if values else {}


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
