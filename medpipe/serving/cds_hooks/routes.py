"""The routes of CDS Hooks.

All that an answer rests on must be in the request's prefetch: nothing is fetched from the caller's
FHIR server, so its address and the token for it are not read. What is missing is refused with 412,
as the specification has it. There is no feedback route: nobody would read what it kept.

References
----------
HL7 CDS Hooks, section Calling a CDS Service, https://cds-hooks.hl7.org.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from medpipe.audit.record import new_id
from medpipe.errors import MedpipeError, RequestError, UnreadableError
from medpipe.io.fhir import chart
from medpipe.io.fhir.elements import Node, text
from medpipe.io.fhir.mapping import FhirMap
from medpipe.serving import intake, refusal
from medpipe.serving.batching import Place
from medpipe.serving.cds_hooks import cards, services
from medpipe.serving.desk import Desk
from medpipe.serving.fhir import question
from medpipe.serving.refusal import Refusal
from medpipe.serving.release import Release

PREFIX = "/cds-services"
_ONE = ("patient", "encounter")
"""Keys of prefetch for which null will not do: the answer is about these."""
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "Not a request of CDS Hooks, or of another hook"},
    404: {"model": Refusal, "description": "No such service"},
    412: {"model": Refusal, "description": "Prefetch is missing, failed, or is not whole"},
    413: {"model": Refusal, "description": "Too many bytes"},
    415: {"model": Refusal, "description": "Not JSON"},
    422: {
        "model": Refusal,
        "description": "A unit that is not declared, a value outside its range, another patient, "
        "or not a patient whom the question is about",
    },
    503: {"model": Refusal, "description": "No valid certificate, or too many requests"},
}
_TEXT = {"type": "string"}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            intake.RECORD_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["hook", "hookInstance", "context", "prefetch"],
                    "properties": {
                        "hook": _TEXT,
                        "hookInstance": _TEXT,
                        "context": {
                            "type": "object",
                            "required": ["userId", "patientId", "encounterId"],
                            "properties": {
                                "userId": _TEXT,
                                "patientId": _TEXT,
                                "encounterId": _TEXT,
                            },
                        },
                        "prefetch": {
                            "type": "object",
                            "additionalProperties": {"type": ["object", "null"]},
                        },
                    },
                }
            }
        },
    }
}


def router(desk: Desk) -> APIRouter:
    """The routes, which hand every question to `desk`."""
    routes = APIRouter(prefix=PREFIX, tags=["CDS Hooks"])
    handlers = _Routes(desk)
    routes.add_api_route(
        "",
        handlers.discover,
        response_model=services.Services,
        responses={503: _REFUSALS[503]},
        summary="Which services there are",
    )
    routes.add_api_route(
        "/{service}",
        handlers.call,
        methods=["POST"],
        response_model=cards.Cards,
        responses=_REFUSALS,
        openapi_extra=_BODY,
        summary="Cards for the patient of a hook",
    )
    return routes


class _Routes:
    """The routes of one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def discover(self) -> services.Services:
        predictors = self._desk.catalogue.predictors
        return services.offered(predictors[name].release for name in sorted(predictors))

    async def call(self, service: str, request: Request) -> Response:
        """Send what the specification asks for, with the prefetch of ``GET /cds-services``."""
        answer_id = new_id()
        found: list[tuple[question.Question, Release]] = []

        async def content(place: Place, release: Release) -> bytes:
            sent = await intake.document(
                request,
                place,
                max_upload_mib=question.limit_mib(release),
                types=(intake.RECORD_TYPE,),
            )
            read = await asyncio.to_thread(_question, sent, release)
            found.append((read, release))
            return read.payload

        try:
            answer = await self._desk.answer(
                service,
                content,
                answer_id=answer_id,
                caller=request.state.caller,
                standard="cds-hooks",
                explain=True,
            )
        except MedpipeError as error:
            return refusal.response(error, answer_id=answer_id)
        ((read, release),) = found
        shown = cards.Cards(cards=[cards.card(answer, read, release)])
        return Response(shown.model_dump_json(), media_type="application/json")


def _question(sent: Any, release: Release) -> question.Question:
    fhir = release.workload.fhir
    if fhir is None:
        raise RequestError(f"{release.workload.name} is no CDS service", status=404)
    context = _context(sent, fhir)
    prefetch = sent.get("prefetch")
    given = _given(prefetch if isinstance(prefetch, Mapping) else {}, fhir)
    asked = services.wanted(fhir)
    return question.read(
        [entry for held in given.values() for entry in held],
        release.workload,
        patient=f"Patient/{context['patientId']}",
        encounter=f"Encounter/{context['encounterId']}",
        complete=[asked[key].kind for key in given if asked[key].is_whole],
    )


def _context(sent: Any, fhir: FhirMap) -> Node:
    """The context of a request that is one. Raises RequestError, 400 or 412."""
    for name in ("hook", "hookInstance"):
        if not text(sent, name):
            raise RequestError(f"{name} is missing: this is no request of CDS Hooks", status=400)
    if text(sent, "hook") not in fhir.hooks:
        raise RequestError(f"the hooks of this service are {', '.join(fhir.hooks)}", status=400)
    context: Node = sent.get("context")
    for name in ("userId", "patientId"):
        if not text(context, name):
            raise RequestError(f"context.{name} is missing", status=400)
    if not text(context, "encounterId"):
        raise RequestError(
            "context.encounterId is missing: the question is about one encounter", status=412
        )
    return context


def _given(prefetch: Node, fhir: FhirMap) -> dict[str, list[tuple[Node, str]]]:
    """The resources under each key that was asked for. Raises RequestError, 412.

    Null means that there are none, which is an answer; a key that is not there is none.
    """
    asked = services.wanted(fhir)
    missing = [key for key in asked if key not in prefetch and key not in services.OPTIONAL]
    missing += [key for key in _ONE if key in prefetch and prefetch[key] is None]
    if missing:
        raise RequestError(
            f"prefetch lacks {', '.join(missing)}, and nothing is fetched from the FHIR server",
            status=412,
        )
    return {key: _resources(key, prefetch[key]) for key in asked if key in prefetch}


def _resources(key: str, value: Any) -> list[tuple[Node, str]]:
    if value is None:
        return []
    kind = text(value, "resourceType")
    if not kind or kind == "OperationOutcome":
        raise RequestError(f"prefetch {key} holds no resource, or a failure", status=412)
    try:
        return chart.entries(value) if kind == "Bundle" else [(value, "")]
    except UnreadableError as error:
        raise RequestError(f"prefetch {key}: {error}", status=412) from None
