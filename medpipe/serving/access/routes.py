"""Which scope each route needs.

A route that no rule names needs the scope ``*``: whoever forgets one here locks it, and opens
nothing. What a request asks for in its body is checked by the desk, for which such a route needs
``answer``, the right to an answer of any workload.
"""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI

from medpipe.serving.access import site
from medpipe.serving.access.caller import ANSWER, EVERYTHING

OPEN = ("/livez", "/readyz", "/healthz", "/metrics")
"""Answered to everybody: they tell no more than that, and why not, the service is ready."""

RULES = (
    ("GET", "/", "papers"),
    ("GET", "/docs", "papers"),
    ("GET", "/v1", "papers"),
    ("GET", "/v1/openapi.json", "papers"),
    ("GET", "/v1/{workload}", "papers"),
    ("GET", "/v1/{workload}/example", "papers"),
    ("POST", "/v1/{workload}", "answer:{workload}"),
    ("GET", "/v1/answers/{answer}/outcome", "feedback"),
    ("POST", "/v1/answers/{answer}/outcome", "feedback"),
    ("GET", "/fhir/{workload}/metadata", "papers"),
    ("GET", "/fhir/{workload}/OperationDefinition/{name}", "papers"),
    ("POST", r"/fhir/{workload}/\$assess", "answer:{workload}"),
    ("POST", "/dicomweb/{workload}/studies", "answer:{workload}"),
    ("POST", "/dicomweb/{workload}/studies/{study}", "answer:{workload}"),
    ("GET", "/dicomweb/{workload}/studies/{study}", "answer:{workload}"),
    ("GET", "/dicomweb/{workload}/studies/{study}/series/{series}", "answer:{workload}"),
    (
        "GET",
        "/dicomweb/{workload}/studies/{study}/series/{series}/instances/{instance}",
        "answer:{workload}",
    ),
    ("GET", "/cds-services", "papers"),
    ("POST", "/cds-services/{workload}", "answer:{workload}"),
)
"""Method, path, scope; the first that fits counts."""

_COMPILED = [
    (method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), scope)
    for method, path, scope in RULES
]
_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, or a token of the identity provider",
    },
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key"},
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "For browsers: the API key is the password, the user name is not asked for",
    },
}
_REFUSALS = {
    "401": "No valid API key or token",
    "403": "The API key or token lacks the scope",
    "429": "Too many requests; Retry-After says when to come back",
}


def scope_of(method: str, path: str) -> str:
    """The scope that a request for `path`, decoded, needs."""
    asked = "GET" if method == "HEAD" else method
    plain = path.rstrip("/") or "/"
    for allowed, pattern, scope in _COMPILED:
        if asked == allowed and (match := pattern.fullmatch(plain)):
            return scope.format(**match.groupdict())
    return EVERYTHING


def describe(api: FastAPI) -> None:
    """Have the OpenAPI document of `api` say how to ask, and which scope each route needs."""
    plain = api.openapi

    def openapi() -> dict[str, Any]:
        made = plain()  # the same object each time
        made.setdefault("components", {})["securitySchemes"] = _SCHEMES
        for path, operations in made["paths"].items():
            for method, operation in operations.items():
                operation["security"] = [{name: []} for name in _SCHEMES]
                operation["x-scope"] = needed = scope_of(method.upper(), path)
                if method == "post" and needed.startswith(f"{ANSWER}:"):
                    others = [p for p in operation.get("parameters", []) if p != site.PARAMETER]
                    operation["parameters"] = [*others, site.PARAMETER]
                told = operation["responses"]
                for status, meaning in _REFUSALS.items():
                    told.setdefault(status, {"description": meaning, "content": _written(told)})
        return made

    api.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _written(told: dict[str, Any]) -> dict[str, Any]:
    """How a route writes refusals: as that of a service that is not ready, where it has one."""
    reference = {"$ref": "#/components/schemas/Refusal"}
    content: dict[str, Any] = told.get("503", {}).get("content", {})
    return content or {"application/json": {"schema": reference}}
