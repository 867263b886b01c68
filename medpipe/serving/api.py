"""The HTTP face of the service: an ASGI application that knows nothing of BentoML.

Bodies are taken as files or bytes, never as arrays in JSON, which would cost more than the model.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from medpipe import __version__
from medpipe.errors import MedpipeError
from medpipe.records import record
from medpipe.serving import access, cors, intake, refusal
from medpipe.serving.access import routes as access_routes
from medpipe.serving.batching import Place
from medpipe.serving.catalogue import Catalogue
from medpipe.serving.cds_hooks import routes as cds_hooks
from medpipe.serving.desk import Desk, new_id
from medpipe.serving.dicomweb import routes as dicomweb
from medpipe.serving.dicomweb.describe import ANSWER as IN_DICOM
from medpipe.serving.fhir import outcome
from medpipe.serving.fhir import routes as fhir
from medpipe.serving.predictor import Answer
from medpipe.serving.recorder import Recorder
from medpipe.serving.refusal import Refusal
from medpipe.serving.release import Release

# The page loads nothing from anywhere and may talk to this service only.
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; img-src data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Offer(BaseModel):
    """One clinical question that the service answers."""

    name: str
    title: str
    intended_use: str
    not_for: str
    model_version: str
    certificate_sha256: str
    problem: str | None = Field(None, description="Why a newer model on disk is not served")


class Asked(BaseModel):
    """One field of a record."""

    name: str
    meaning: str
    allowed: str
    required: bool


class Papers(BaseModel):
    """What the model is, who allowed it, and what to send."""

    payload: Literal["file", "record"]
    fields: list[Asked] = Field(description="Of a record; none where a file is sent")
    example: dict[str, Any] = Field(description="A record that can be sent as it stands")
    card: dict[str, Any]
    certificate: dict[str, Any]
    certificate_sha256: str
    problem: str | None = None


_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "Empty, truncated or broken"},
    404: {"model": Refusal, "description": "No such workload"},
    413: {"model": Refusal, "description": "Too many bytes, or pixels"},
    415: {"model": Refusal, "description": "Not a type of file that is read"},
    422: {"model": Refusal, "description": "Not an image that the model was made for"},
    503: {
        "model": Refusal,
        "description": "No valid certificate, too many requests, or no record can be written",
    },
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            intake.FORM_TYPE: {
                "schema": {
                    "type": "object",
                    "required": [intake.FIELD],
                    "properties": {intake.FIELD: {"type": "string", "format": "binary"}},
                }
            },
            intake.RECORD_TYPE: {"schema": {"type": "object"}},
            **{
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in intake.RAW_TYPES
            },
        },
    }
}


def create(
    catalogue: Callable[[], Catalogue],
    *,
    recorder: Callable[[], Recorder],
    page: Path,
    porter: access.Porter | None = None,
) -> FastAPI:
    """The application; its `Desk` is ``state.desk``.

    Parameters
    ----------
    catalogue, recorder : called once when the server starts, so that making the application reads
        and writes nothing
    page : file with the HTML of ``/``; it may load nothing from another host
    porter : says who asks; without one, only clients on this machine are answered
    """
    desk, porter = Desk(catalogue, recorder), porter or access.Porter()
    routes = _Routes(desk, page, porter)
    api = FastAPI(
        title="medpipe",
        version=__version__,
        docs_url=None,  # FastAPI's pages load their scripts from a public host
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        lifespan=routes.lifespan,
    )
    api.state.desk = desk
    api.include_router(dicomweb.router(desk))
    api.add_api_route(
        "/v1/{workload}",
        routes.answer,
        methods=["POST"],
        response_model=Answer,
        responses=_REFUSALS | IN_DICOM,
        openapi_extra=_BODY,
        summary="Answer for one example",
    )
    api.add_api_route("/v1/", routes.offers, response_model=list[Offer], summary="What is served")
    api.add_api_route(
        "/v1/{workload}",
        routes.papers,
        response_model=Papers,
        responses={404: _REFUSALS[404], 503: _REFUSALS[503]},
        summary="Card and certificate",
    )
    api.include_router(fhir.router(desk))
    api.include_router(cds_hooks.router(desk))
    api.add_api_route("/", routes.front, include_in_schema=False)
    api.add_middleware(access.Guard, porter=porter, refuse=refused)
    api.add_middleware(cors.Cors)  # outermost: a browser asks whether it may ask before it says who
    access_routes.describe(api)
    api.add_exception_handler(MedpipeError, _refuse)
    api.add_exception_handler(HTTPException, _refuse_http)
    api.add_exception_handler(RequestValidationError, _refuse_query)
    return api


def refused(path: str, error: MedpipeError) -> Response:
    """`error` as those who asked for `path` read errors: an OperationOutcome under FHIR."""
    is_fhir = path.startswith(f"{fhir.PREFIX}/")
    return outcome.response(error) if is_fhir else refusal.response(error)


class _Routes:
    """The routes of one desk."""

    def __init__(self, desk: Desk, page: Path, porter: access.Porter) -> None:
        self._desk = desk
        self._page = page
        self._porter = porter

    @contextlib.asynccontextmanager
    async def lifespan(self, api: FastAPI) -> AsyncIterator[None]:
        async with self._porter.open(), self._desk.open():
            yield

    async def answer(
        self,
        workload: str,
        request: Request,
        explain: Annotated[bool, Query(description="Add a PNG of where the evidence lies")] = False,
    ) -> Response:
        """Send a file, as a form field `file` or as the body, or a record as one JSON object.

        ``GET`` on the same path says which, and what a record may hold.
        """
        answer_id = new_id()

        async def content(place: Place, release: Release) -> bytes:
            return await intake.payload(
                request,
                place,
                max_upload_mib=release.settings.serve.max_upload_mib,
                kind=release.workload.payload,
            )

        try:
            answer = await self._desk.answer(
                workload,
                content,
                answer_id=answer_id,
                caller=request.state.caller,
                standard="http",
                explain=explain,
            )
        except MedpipeError as error:
            return refusal.response(error, answer_id=answer_id)
        return Response(answer.model_dump_json(exclude_unset=True), media_type="application/json")

    async def offers(self) -> list[Offer]:
        return [self._offer(name) for name in sorted(self._desk.catalogue.predictors)]

    def _offer(self, name: str) -> Offer:
        release = self._desk.catalogue.predictors[name].release
        return Offer(
            name=name,
            title=release.workload.title,
            intended_use=release.workload.intended_use,
            not_for=release.workload.not_for,
            model_version=str(release.settings.version),
            certificate_sha256=release.certificate_sha256,
            problem=self._desk.catalogue.problems.get(name),
        )

    async def papers(self, workload: str) -> Papers:
        release = self._desk.catalogue.predictor(workload).release
        asked = record.asked(release.workload) if release.workload.payload == "record" else ()
        return Papers(
            payload=release.workload.payload,
            fields=[
                Asked(name=c.name, meaning=c.meaning, allowed=c.allowed, required=not c.nullable)
                for c in asked
            ],
            example=dict(release.workload.example),
            card=release.card,
            certificate=release.certificate,
            certificate_sha256=release.certificate_sha256,
            problem=self._desk.catalogue.problems.get(workload),
        )

    async def front(self) -> FileResponse:
        return FileResponse(self._page, media_type="text/html", headers=_PAGE_HEADERS)


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, MedpipeError)
    return refusal.response(error)


async def _refuse_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _refuse_query(_: Request, error: Exception) -> Response:
    """FastAPI's own answer would repeat the rejected value."""
    assert isinstance(error, RequestValidationError)
    wrong = "; ".join(f"{detail['loc'][-1]}: {detail['msg']}" for detail in error.errors())
    return JSONResponse({"error": f"{wrong}; see /v1/openapi.json"}, 422)
