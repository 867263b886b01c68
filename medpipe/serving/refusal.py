"""How the service says no: status, headers and body of each error of ours."""

from __future__ import annotations

from typing import TypeVar

from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from medpipe.errors import (
    AccessError,
    AuditError,
    CertificateError,
    MedpipeError,
    OverloadedError,
    RequestError,
)

T = TypeVar("T", bound=Response)

RETRY_S = 5
"""After which a service without a valid certificate, or a record to write, may be asked again."""


class Wrong(BaseModel):
    """What is wrong in one place of a record."""

    place: str = Field(description="JSON Pointer (RFC 6901) into what was sent; empty: the whole")
    error: str


class Refusal(BaseModel):
    """Why a request was not answered, and what to do."""

    error: str
    answer_id: str | None = Field(None, description="Name of this refusal in the service's log")
    problems: list[Wrong] | None = Field(
        None, description="Of a record, place by place; `error` says the same in one sentence"
    )


def status(error: BaseException) -> tuple[int, dict[str, str]]:
    """HTTP status and headers of `error`; 500 for what a client can do nothing about."""
    if isinstance(error, RequestError):
        # The rest of an upload that is too long is not waited for.
        return error.status, {"Connection": "close"} if error.status == 413 else {}
    if isinstance(error, AccessError):
        wait_s = error.retry_after_s
        return error.status, {} if wait_s is None else {"Retry-After": str(wait_s)}
    if isinstance(error, OverloadedError):
        return 503, {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, CertificateError | AuditError):
        return 503, {"Retry-After": str(RETRY_S)}
    return 500, {}


def response(error: MedpipeError, *, answer_id: str | None = None) -> JSONResponse:
    """`error` as JSON."""
    code, headers = status(error)
    wrong = error.problems if isinstance(error, RequestError) else ()
    told = Refusal(
        error=str(error),
        answer_id=answer_id,
        problems=[Wrong(place=place, error=said) for place, said in wrong] or None,
    )
    content = told.model_dump(exclude_none=True)
    return challenged(JSONResponse(content, status_code=code, headers=headers), error)


def challenged(response: T, error: MedpipeError) -> T:
    """`response`, saying how to say who asks where `error` is that nobody did."""
    for challenge in error.challenges if isinstance(error, AccessError) else ():
        response.headers.append("WWW-Authenticate", challenge)  # a line each, as browsers read them
    return response
