"""What the OpenAPI document says of the routes."""

from __future__ import annotations

from typing import Any

from medpipe.serving.dicomweb import accept
from medpipe.serving.refusal import Refusal

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_RELATED = accept.RELATED.partition(";")[0]
_DATASET = {accept.DICOM_JSON: {"schema": {"type": "object"}}}


def _refused(**meanings: str) -> dict[int | str, dict[str, Any]]:
    return {
        int(status[1:]): {"model": Refusal, "description": meaning}
        for status, meaning in meanings.items()
    }


ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {accept.DICOM: _BINARY, _RELATED: _BINARY}},
    **_refused(_406="An answer in DICOM is about an image, and this workload takes records"),
}
"""Of ``POST /v1/{workload}``, beside what it answers in JSON."""

STORING: dict[str, Any] = {
    "response_model": None,
    "openapi_extra": {"requestBody": {"required": True, "content": {_RELATED: _BINARY}}},
    "responses": {
        200: {"description": "Every image was answered", "content": _DATASET},
        202: {"description": "Some images were; FailureReason says what the others lack"}
        | {"content": _DATASET},
        409: {"description": "No image was", "content": _DATASET},
        **_refused(
            _400="Broken, or no file",
            _404="No such workload, or one that takes no images",
            _406="Only application/dicom+json can be given",
            _413="Too many files, or too many bytes",
            _415="Not multipart/related of application/dicom",
            _422="An address that holds no UID",
            _503="No valid certificate, or too many requests",
        ),
    },
}
RETRIEVING: dict[str, Any] = {
    "response_model": None,
    "responses": {
        200: {"description": "DICOM files", "content": {_RELATED: _BINARY}},
        **_refused(
            _404="Nothing is kept of it",
            _406="Only multipart/related of application/dicom can be given",
            _422="An address that holds no UID",
        ),
    },
}
