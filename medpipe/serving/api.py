"""The HTTP face of the service: an ASGI application that knows nothing of BentoML.

Bodies are taken as files or bytes, never as arrays in JSON, which would cost more than the model.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from medpipe import __version__, workloads
from medpipe.audit.record import new_id
from medpipe.errors import AccessError, MedpipeError, ParamsError, RequestError
from medpipe.records import schema
from medpipe.serving import access, cors, feedback, intake, openapi, refusal
from medpipe.serving.access import routes as access_routes
from medpipe.serving.batching import Place
from medpipe.serving.catalogue import Catalogue
from medpipe.serving.cds_hooks import routes as cds_hooks
from medpipe.serving.desk import Desk
from medpipe.serving.dicomweb import routes as dicomweb
from medpipe.serving.dicomweb.describe import ANSWER as IN_DICOM
from medpipe.serving.fhir import outcome
from medpipe.serving.fhir import routes as fhir
from medpipe.serving.pages import Page
from medpipe.serving.predictor import Answer
from medpipe.serving.recorder import Recorder
from medpipe.serving.refusal import Refusal
from medpipe.serving.release import Release


class Offer(BaseModel):
    """One clinical question that there is a release for."""

    name: str = Field(description="To be put into the address")
    title: str
    intended_use: str
    not_for: str
    served: bool = Field(description="Whether it is answered now; if not, `problem` says why")
    model_version: str | None = Field(description="null where it is not served")
    certificate_sha256: str | None = Field(description="null where it is not served")
    problem: str | None = Field(
        None, description="Why it, or a newer model of it on disk, is not served"
    )
    probation: dict[str, Any] | None = Field(
        None, description="The model on probation beside it, as the process that tells this knows"
    )


class Papers(BaseModel):
    """What the model is, who allowed it, and what to send."""

    payload: Literal["file", "record"]
    request: dict[str, Any] | None = Field(
        description="JSON Schema of a record, with units; null where a file is sent"
    )
    has_example: bool = Field(
        description="Whether `example`, below this path, gives an invented one"
    )
    max_upload_mib: int = Field(description="What may be sent, MiB")
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
_EXAMPLE = {
    "description": "As it may be sent",
    "content": {kind: {} for kind in (intake.RECORD_TYPE, *intake.RAW_TYPES)},
}
_BODY = {"requestBody": {"required": True, "content": openapi.ANY_BODY}}


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
    page : file with the HTML of ``/``, ``docs.html`` beside it; neither loads from another host
    porter : says who asks; without one, only clients on this machine are answered
    """
    desk, porter = Desk(catalogue, recorder), porter or access.Porter()
    routes = _Routes(desk, porter)
    api = FastAPI(
        title="medpipe",
        version=__version__,
        docs_url=None,  # FastAPI's pages load their scripts from a public host
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        lifespan=routes.lifespan,
    )
    api.state.desk = desk
    api.include_router(dicomweb.router(desk), tags=["DICOMweb"])
    _add_routes(api, routes)
    api.include_router(feedback.router(desk))
    api.include_router(fhir.router(desk))
    api.include_router(cds_hooks.router(desk))
    _add_pages(api, routes, page)
    api.add_middleware(access.Guard, porter=porter, refuse=refusals(page))
    api.add_middleware(cors.Cors)  # outermost: a browser asks whether it may ask before it says who
    openapi.describe(api, desk)
    access_routes.describe(api)
    api.add_exception_handler(MedpipeError, _refuse)
    api.add_exception_handler(HTTPException, _refuse_http)
    api.add_exception_handler(RequestValidationError, _refuse_query)
    return api


def refusals(page: Path) -> Callable[[str, MedpipeError], Response]:
    """How a path's clients read errors: an OperationOutcome under FHIR, else ours.

    Who may not have a page gets it all the same, with the status that says so, for there is nothing
    in it but the way to show a key: it asks for what it tells, and is told why it may not.

    Parameters
    ----------
    page : as for `create`
    """
    shown = {"/": Page(page), "/docs": Page(page.with_name("docs.html"))}

    def refused(path: str, error: MedpipeError) -> Response:
        if path in shown and isinstance(error, AccessError):
            answer = shown[path].shown_with(error.status)
            # A browser would cover the page with its own question, and keep what is typed there.
            asked = [each for each in error.challenges if not each.startswith("Basic")]
            for challenge in asked:
                answer.headers.append("WWW-Authenticate", challenge)
            return answer
        is_fhir = path.startswith(f"{fhir.PREFIX}/")
        return outcome.response(error) if is_fhir else refusal.response(error)

    return refused


def _add_routes(api: FastAPI, routes: _Routes) -> None:
    api.add_api_route(
        openapi.ROUTE,
        routes.answer,
        methods=["POST"],
        response_model=Answer,
        responses=_REFUSALS | IN_DICOM,
        openapi_extra=_BODY,
        summary="Answer for one example",
    )
    api.add_api_route(
        "/v1/", routes.offers, response_model=list[Offer], summary="What is served, and what is not"
    )
    api.add_api_route(
        openapi.ROUTE,
        routes.papers,
        response_model=Papers,
        responses={404: _REFUSALS[404], 503: _REFUSALS[503]},
        summary="Card and certificate",
    )
    api.add_api_route(
        openapi.EXAMPLE,
        routes.example,
        response_class=Response,
        responses={200: _EXAMPLE, 404: _REFUSALS[404], 503: _REFUSALS[503]},
        summary="An invented example, which is answered as it stands",
    )


def _add_pages(api: FastAPI, routes: _Routes, page: Path) -> None:
    for path, shown in (("/", Page(page)), ("/docs", Page(page.with_name("docs.html")))):
        api.add_api_route(path, shown.shown, include_in_schema=False, response_model=None)


class _Routes:
    """The routes of one desk."""

    def __init__(self, desk: Desk, porter: access.Porter) -> None:
        self._desk = desk
        self._porter = porter

    @contextlib.asynccontextmanager
    async def lifespan(self, api: FastAPI) -> AsyncIterator[None]:
        async with self._porter.open(), self._desk.open():
            yield

    async def answer(
        self,
        workload: str,
        request: Request,
        explain: Annotated[bool, Query(description="Say where the evidence lies, too")] = False,
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
        catalogue = self._desk.catalogue
        return [_offer(catalogue, name) for name in sorted(catalogue.names)]

    async def papers(self, workload: str) -> Papers:
        release = self._desk.catalogue.predictor(workload).release
        is_record = release.workload.payload == "record"
        return Papers(
            payload=release.workload.payload,
            request=schema.of(release.workload) if is_record else None,
            has_example=_example(release) is not None,
            max_upload_mib=intake.limit_mib(
                release.workload.payload, release.settings.serve.max_upload_mib
            ),
            card=release.card,
            certificate=release.certificate,
            certificate_sha256=release.certificate_sha256,
            problem=self._desk.catalogue.problems.get(workload),
        )

    async def example(self, workload: str) -> Response:
        release = self._desk.catalogue.predictor(workload).release
        found = await asyncio.to_thread(_example, release)
        if found is None:
            raise RequestError(f"{workload} has no invented example", status=404)
        media_type, content = found
        return Response(content, media_type=media_type)


def _offer(catalogue: Catalogue, name: str) -> Offer:
    predictor = catalogue.predictors.get(name)
    beside = catalogue.probations.candidates.get(name)
    release = None if predictor is None else predictor.release
    try:
        workload = workloads.get(name) if release is None else release.workload
    except ParamsError:  # a release of a question that is not installed here
        workload = None
    return Offer(
        name=name,
        title=name if workload is None else workload.title,
        intended_use="" if workload is None else workload.intended_use,
        not_for="" if workload is None else workload.not_for,
        served=release is not None,
        model_version=None if release is None else str(release.settings.version),
        certificate_sha256=None if release is None else release.certificate_sha256,
        problem=catalogue.problems.get(name),
        probation=None if beside is None else beside.as_json(),
    )


def _example(release: Release) -> tuple[str, bytes] | None:
    """Media type and content of an example of the question, invented; None where there is none."""
    if release.workload.payload == "record":
        return intake.RECORD_TYPE, json.dumps(dict(release.workload.example)).encode()
    found = release.workload.example_file()
    return None if found is None else (found.media_type, found.data)


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
