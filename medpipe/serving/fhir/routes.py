"""The routes of FHIR: each workload is a server of its own, with one operation.

``/fhir/<workload>`` is the base URL that a FHIR client is given; under it are ``metadata``,
``OperationDefinition/assess`` and ``$assess``. Nothing is stored, so there is nothing to search.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from medpipe.audit.record import new_id
from medpipe.errors import MedpipeError, RequestError, UnreadableError
from medpipe.io.fhir.chart import entries
from medpipe.io.fhir.elements import at, nodes, text
from medpipe.serving import intake
from medpipe.serving.batching import Place
from medpipe.serving.desk import Desk
from medpipe.serving.fhir import answers, conformance, outcome, question
from medpipe.serving.fhir.outcome import MEDIA_TYPE, FhirResponse
from medpipe.serving.release import Release

PREFIX = "/fhir"
_TYPES = (MEDIA_TYPE, "application/json")
_TAKEN = ("*/*", "application/*", *_TYPES)
_ANY_RESOURCE: dict[str, Any] = {
    "type": "object",
    "required": ["resourceType"],
    "properties": {"resourceType": {"type": "string"}},
}
_RESOURCE = {"content": {MEDIA_TYPE: {"schema": _ANY_RESOURCE}}}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": f"OperationOutcome: {why}", **_RESOURCE}
    for status, why in {
        400: "not JSON, or a file that is broken",
        404: "no such workload, or no such interaction",
        406: "only JSON is spoken",
        413: "too many bytes, or pixels",
        415: "not JSON, or a file of a type that is not read",
        422: "not a bundle of one patient and encounter, a unit that is not declared, a value "
        "outside its range, or not what the model was made for",
        503: "no valid certificate, or too many requests",
    }.items()
}
_BODY = {"requestBody": {"required": True, **_RESOURCE}}


def router(desk: Desk) -> APIRouter:
    """The routes, which hand every question to `desk`."""
    routes = APIRouter(prefix=PREFIX, tags=["FHIR R4"], default_response_class=FhirResponse)
    handlers = _Routes(desk)
    answered: dict[int | str, dict[str, Any]] = {
        200: {"description": "RiskAssessment or DiagnosticReport", **_RESOURCE}
    }
    told: dict[int | str, dict[str, Any]] = {
        status: _REFUSALS[status] for status in (404, 406, 503)
    }
    routes.add_api_route(
        "/{workload}/$assess",
        handlers.assess,
        methods=["POST"],
        responses={**answered, **_REFUSALS},
        openapi_extra=_BODY,
        summary="Answer for a bundle of one patient's resources",
    )
    for path, summary in (
        ("metadata", "CapabilityStatement"),
        ("OperationDefinition/assess", "What $assess takes, and how columns are found"),
    ):
        make = conformance.capability if path == "metadata" else conformance.definition
        routes.add_api_route(
            f"/{{workload}}/{path}",
            handlers.telling(make),
            responses={200: {"description": summary, **_RESOURCE}, **told},
            summary=summary,
            name=path,
        )
    routes.add_api_route(
        "/{rest:path}",
        handlers.absent,
        methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        include_in_schema=False,
    )
    return routes


class _Routes:
    """The routes of one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def assess(
        self,
        workload: str,
        request: Request,
        explain: Annotated[
            str,
            Query(
                description="Tell what moved the answer",
                json_schema_extra={"enum": ["true", "false"]},
            ),
        ] = "false",
    ) -> Response:
        """Send a Bundle, or Parameters with a Bundle; see ``OperationDefinition/assess``."""
        answer_id = new_id()
        found: list[tuple[question.Question, Release]] = []

        async def content(place: Place, release: Release) -> bytes:
            limit_mib = question.limit_mib(release)
            sent = await intake.document(request, place, max_upload_mib=limit_mib, types=_TYPES)
            read = await asyncio.to_thread(_question, sent, release)
            found.append((read, release))
            return read.payload

        try:
            _check_accept(request)
            answer = await self._desk.answer(
                workload,
                content,
                answer_id=answer_id,
                caller=request.state.caller,
                standard="fhir",
                explain=_is_true(explain),
            )
        except MedpipeError as error:
            return outcome.response(error, answer_id=answer_id)
        ((read, release),) = found
        return FhirResponse(answers.resource(answer, read, release, at=datetime.now(UTC)))

    def telling(self, make: Callable[[Release, str], dict[str, Any]]) -> Any:
        """The handler that tells what `make` makes of a release and its base URL."""

        async def tell(workload: str, request: Request) -> Response:
            try:
                _check_accept(request)
                release = self._desk.catalogue.predictor(workload).release
            except MedpipeError as error:
                return outcome.response(error)
            return FhirResponse(make(release, f"{request.base_url}fhir/{workload}"))

        return tell

    async def absent(self, rest: str) -> Response:
        error = RequestError(
            "there is no such interaction; a workload's are $assess and metadata", status=404
        )
        return outcome.response(error)


def _question(sent: Any, release: Release) -> question.Question:
    try:
        bundle, encounter = _arguments(sent)
        resources = entries(bundle)
    except UnreadableError as error:
        raise RequestError(str(error), status=422) from None
    return question.read(resources, release.workload, encounter=encounter)


def _arguments(sent: Any) -> tuple[Any, str | None]:
    """The bundle, and the reference to the encounter that is asked about, if there is one."""
    if text(sent, "resourceType") != "Parameters":
        return sent, None
    given = {text(parameter, "name"): parameter for parameter in nodes(sent.get("parameter"))}
    if not {"bundle"} <= given.keys() <= {"bundle", "encounter"}:
        raise UnreadableError(
            "the parameters are bundle and, where it holds several, encounter; explain is asked "
            "for in the address"
        )
    named = next(iter(at(given.get("encounter"), "valueReference", "reference")), None)
    return given["bundle"].get("resource"), named if isinstance(named, str) else None


def _check_accept(request: Request) -> None:
    """Raise RequestError unless the client takes JSON."""
    accept = request.headers.get("accept", "*/*")
    taken = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    if not taken & set(_TAKEN):
        raise RequestError(f"answers are {MEDIA_TYPE}; accept that", status=406)


def _is_true(explain: str) -> bool:
    if explain not in ("true", "false"):
        raise RequestError("explain is true or false", status=400)
    return explain == "true"
