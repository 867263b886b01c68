"""What became of answers, over HTTP: told by answer id, corrected, taken back, and looked up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from medpipe.errors import AuditError, MedpipeError, OutcomeError, RequestError
from medpipe.monitoring.outcomes import Outcomes, Told
from medpipe.serving import intake
from medpipe.serving.desk import Desk
from medpipe.serving.refusal import Refusal

ROUTE = "/v1/answers/{answer_id}/outcome"
_MAX_MIB = 1
_Value = bool | int | float | str | None
T = TypeVar("T")

AnswerId = Annotated[
    str,
    Path(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", description="As the answer has it"),
]


class Said(BaseModel):
    """One thing that was told."""

    at: str = Field(description="UTC")
    told_by: str
    label: str
    value: _Value = Field(description="null: what was told before was taken back")


class WhatBecame(BaseModel):
    """What turned out to be so."""

    answer_id: str
    workload: str
    outcome: dict[str, _Value] = Field(description="Label → value, as it counts now")
    history: list[Said] = Field(description="All that was told, in that order")


_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "Not JSON, or cut off"},
    404: {"model": Refusal, "description": "No such answer is on record"},
    413: {"model": Refusal, "description": f"Larger than {_MAX_MIB} MiB"},
    415: {"model": Refusal, "description": "Not JSON"},
    422: {"model": Refusal, "description": "Not a label of the workload, or not a value of it"},
    503: {"model": Refusal, "description": "The record of answers is out of reach"},
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            intake.RECORD_TYPE: {
                "schema": {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": {"type": ["boolean", "number", "string", "null"]},
                },
                "examples": {"found": {"summary": "It was there", "value": {"pneumonia": 1}}},
            }
        },
    }
}


def router(desk: Desk) -> APIRouter:
    """The routes, about the answers of `desk`."""
    made = APIRouter(tags=["Feedback"])
    routes = _Routes(desk)
    made.add_api_route(
        ROUTE,
        routes.tell,
        methods=["POST"],
        response_model=WhatBecame,
        responses=_REFUSALS,
        openapi_extra=_BODY,
        summary="Tell what became of an answer",
    )
    made.add_api_route(
        ROUTE,
        routes.look,
        response_model=WhatBecame,
        responses={status: _REFUSALS[status] for status in (404, 422, 503)},
        summary="What was told of an answer",
    )
    return made


class _Routes:
    """The routes of one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def tell(self, answer_id: AnswerId, request: Request) -> Any:
        """Send label → value; null takes back what was told, and the last that was told counts."""
        with self._desk.place() as place:
            said = await intake.document(
                request, place, max_upload_mib=_MAX_MIB, types=(intake.RECORD_TYPE,)
            )
        if not isinstance(said, dict) or not said:
            raise RequestError("send one JSON object, label → value", status=422)

        def tell(outcomes: Outcomes) -> dict[str, Any]:
            _found(outcomes, answer_id)
            try:
                outcomes.tell([Told(0, answer_id, said)], told_by=request.state.caller.name)
            except OutcomeError as error:
                raise RequestError(str(error), status=422) from None
            return _found(outcomes, answer_id)

        return await self._with(tell)

    async def look(self, answer_id: AnswerId) -> Any:
        """Also whether anything was told: `history` is empty where nothing was."""
        return await self._with(lambda outcomes: _found(outcomes, answer_id))

    async def _with(self, use: Callable[[Outcomes], T]) -> T:
        def opened() -> T:
            with Outcomes.open(self._desk.kept_at()) as outcomes:
                return use(outcomes)

        try:
            return await asyncio.to_thread(opened)
        except RequestError:
            raise
        except MedpipeError as error:  # names a file or a host
            raise AuditError("the record of answers is out of reach; /readyz says why") from error


def _found(outcomes: Outcomes, answer_id: str) -> dict[str, Any]:
    if (found := outcomes.of(answer_id)) is None:
        raise RequestError(
            "no such answer is on record; one that was given while the record was down is put "
            "there when the service reaches it again",
            status=404,
        )
    return found
