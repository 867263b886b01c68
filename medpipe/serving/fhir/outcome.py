"""Refusals as OperationOutcome, with the HTTP status that any other route gives them."""

from __future__ import annotations

from typing import Any

from fastapi.responses import JSONResponse

from medpipe.errors import MedpipeError
from medpipe.serving import refusal

MEDIA_TYPE = "application/fhir+json"
_TYPES = {
    400: "structure",
    401: "login",
    403: "forbidden",
    404: "not-found",
    406: "not-supported",
    412: "required",
    413: "too-long",
    415: "not-supported",
    422: "business-rule",
    429: "throttled",
    499: "incomplete",
    503: "transient",
}
"""Code of IssueType by status; any other is an exception of ours."""


class FhirResponse(JSONResponse):
    """A resource."""

    media_type = MEDIA_TYPE


def response(error: MedpipeError, *, answer_id: str | None = None) -> FhirResponse:
    """`error` as an OperationOutcome."""
    status, headers = refusal.status(error)
    told = outcome(str(error), status, answer_id=answer_id)
    return refusal.challenged(FhirResponse(told, status, headers=headers), error)


def outcome(message: str, status: int, *, answer_id: str | None = None) -> dict[str, Any]:
    """Why there is no answer, and the name of the refusal in the service's log."""
    issues = [_issue("error", _TYPES.get(status, "exception"), message)]
    if answer_id is not None:
        named = f"This refusal is {answer_id} in the service's log"
        issues.append(_issue("information", "informational", named))
    return {"resourceType": "OperationOutcome", "issue": issues}


def _issue(severity: str, code: str, text: str) -> dict[str, Any]:
    return {"severity": severity, "code": code, "diagnostics": text}
