"""The routes of DICOM: each workload takes studies, and gives the reports of their images back.

``POST /v1/<workload>`` answers in DICOM where the client would rather have that than JSON.
``/dicomweb/<workload>`` is the base URL that a DICOMweb client is given: images are sent to it by
STOW-RS, and the objects that tell the answers are fetched from it by WADO-RS. The images are not
kept.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.routing import Match

from medpipe.audit.record import new_id
from medpipe.errors import MedpipeError, RequestError
from medpipe.io.derived import Made, Origin
from medpipe.serving import intake, refusal
from medpipe.serving.batching import Place
from medpipe.serving.desk import Content, Desk
from medpipe.serving.dicomweb import accept, describe, related
from medpipe.serving.dicomweb.outcome import Outcome
from medpipe.serving.dicomweb.question import Question
from medpipe.serving.dicomweb.related import Part
from medpipe.serving.dicomweb.shelf import KEEP_S, Address, Shelf
from medpipe.serving.predictor import Answer
from medpipe.serving.release import Release

Uid = Annotated[str, Path(pattern=r"^[0-9.]{1,64}$")]
Explain = Annotated[bool, Query(description="Add a picture of where the evidence lies")]

_ANSWERS = (accept.JSON, accept.DICOM, accept.RELATED)


class _InDicom(APIRoute):
    """A route for those who would rather have DICOM; others go to the next one of this path."""

    def matches(self, scope: Any) -> tuple[Match, Any]:
        match, child = super().matches(scope)
        header = Headers(scope=scope).get("accept") if match is Match.FULL else None
        if accept.preferred(header, _ANSWERS) in (None, accept.JSON):
            return Match.NONE, {}
        return match, child


def router(desk: Desk) -> APIRouter:
    """The routes, which must stand before other routes of the same paths."""
    routes = _Routes(desk)
    made = APIRouter()
    made.add_api_route(
        "/v1/{workload}",
        routes.answer,
        methods=["POST"],
        include_in_schema=False,  # described where it is answered in JSON
        route_class_override=_InDicom,
    )
    for path, summary in (
        ("/dicomweb/{workload}/studies", "Store images (STOW-RS)"),
        ("/dicomweb/{workload}/studies/{study}", "Store images of one study (STOW-RS)"),
    ):
        made.add_api_route(
            path, routes.store, methods=["POST"], summary=summary, **describe.STORING
        )
    for path, summary in (
        ("/dicomweb/{workload}/studies/{study}", "Reports and maps of a study (WADO-RS)"),
        ("/dicomweb/{workload}/studies/{study}/series/{series}", "Of a series (WADO-RS)"),
        (
            "/dicomweb/{workload}/studies/{study}/series/{series}/instances/{instance}",
            "One report or map (WADO-RS)",
        ),
    ):
        made.add_api_route(path, routes.retrieve, summary=summary, **describe.RETRIEVING)
    return made


class _Routes:
    """The routes of one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shelf = Shelf()

    async def answer(self, workload: str, request: Request, explain: Explain = False) -> Response:
        """Send a DICOM file as in any other request; the answer is a report, or report and map."""
        answer_id = new_id()
        is_several = accept.preferred(request.headers.get("accept"), _ANSWERS) == accept.RELATED

        async def content(place: Place, release: Release) -> bytes:
            _check_takes_files(release, status=406)
            limit_mib = release.settings.serve.max_upload_mib
            return await intake.payload(request, place, max_upload_mib=limit_mib)

        question = Question(content, answer_id, request_id=answer_id)
        try:
            objects = await self._objects(workload, question, request, explain and is_several)
        except MedpipeError as error:
            return refusal.response(error, answer_id=answer_id)
        if is_several:
            return related.response([made.data for made in objects])
        return Response(objects[0].data, media_type=accept.DICOM)

    async def store(
        self, workload: str, request: Request, study: Uid | None = None, explain: Explain = False
    ) -> Response:
        """Images are answered one by one, and not kept; what is wrong with one fails no other.

        The reports, and the maps with `explain`, can be fetched at the address in RetrieveURL for
        some minutes.
        """
        request_id, outcome = new_id(), Outcome()
        try:
            _check_accepts(request, accept.DICOM_JSON, accept.JSON)
            release = self._desk.catalogue.predictor(workload).release
            _check_takes_files(release, status=404)
            limit_mib = release.settings.serve.max_upload_mib
            with self._desk.place() as place:
                parts = await related.received(request, place, max_upload_mib=limit_mib)
                for number, part in enumerate(parts, start=1):
                    content = _content(part, limit_mib)
                    question = Question(content, new_id(), request_id, number, study)
                    await self._take(workload, question, request, explain, outcome)
        except MedpipeError as error:
            return refusal.response(error)
        return outcome.response(f"{request.base_url}dicomweb/{workload}/studies")

    async def _take(
        self, workload: str, question: Question, request: Request, explain: bool, outcome: Outcome
    ) -> None:
        """Answer one instance of several; raises what is no fault of the instance."""
        try:
            objects = await self._objects(workload, question, request, explain)
        except RequestError as error:
            if error.fault is None:
                raise
            outcome.fail(question.number, question.source, error)
            return
        assert question.source is not None
        outcome.answered.append(question.source)
        for made in objects:
            address = Address(_name(request), workload, question.source.study_uid)
            self._shelf.put(address, made)

    async def retrieve(
        self,
        workload: str,
        study: Uid,
        request: Request,
        series: Uid | None = None,
        instance: Uid | None = None,
    ) -> Response:
        """What was answered for images of this study in the last minutes."""
        try:
            _check_accepts(request, accept.RELATED)
            address = Address(_name(request), workload, study)
            found = self._shelf.find(address, series, instance)
            if not found:
                raise RequestError(
                    f"nothing is kept of this; for {KEEP_S / 60:g} minutes whoever sent images can "
                    "fetch what was made of them from the process that made it: send them again",
                    status=404,
                )
        except MedpipeError as error:
            return refusal.response(error)
        return related.response([made.data for made in found])

    async def _objects(
        self, workload: str, question: Question, request: Request, explain: bool
    ) -> list[Made]:
        answer = await self._desk.answer(
            workload,
            question,
            answer_id=question.answer_id,
            caller=request.state.caller,
            standard="dicomweb",
            explain=explain,
        )
        assert question.source is not None
        assert question.release is not None
        origin = Origin(
            question.source,
            question.answer_id,
            question.request_id,
            question.number,
            at=datetime.now(),
        )
        return await asyncio.to_thread(_made, answer, origin, question.release)


def _made(answer: Answer, origin: Origin, release: Release) -> list[Made]:
    from medpipe.serving.dicomweb import objects  # delayed: most services never need it

    return objects.made(answer, origin, release)


def _content(part: Part, limit_mib: int) -> Content:
    """One file of several, as the desk asks for it."""

    async def content(place: Place, release: Release) -> bytes:
        if part.media_type != accept.DICOM:
            raise RequestError(f"the part is not {accept.DICOM}", status=415, fault="format")
        if part.content is None:
            raise RequestError(f"the file is larger than {limit_mib} MiB", status=413, fault="size")
        return part.content

    return content


def _name(request: Request) -> str:
    """Of the caller: what one has sent, another cannot fetch."""
    return str(request.state.caller.name)


def _check_takes_files(release: Release, *, status: int) -> None:
    if release.workload.payload != "file":
        name = release.workload.name
        raise RequestError(
            f"{name} answers records, not images; send JSON to /v1/{name}", status=status
        )


def _check_accepts(request: Request, *offered: str) -> None:
    if accept.preferred(request.headers.get("accept"), offered) is None:
        raise RequestError(f"this is given as {offered[0]}; accept that", status=406)
