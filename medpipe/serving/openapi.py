"""The description of the service: each workload that is served with its own request and answer.

FastAPI describes routes, and one route answers for all workloads. What may be asked and answered
depends on the releases at hand, so their part is written anew for each reader, from the columns,
the objective and the release itself.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from fastapi import FastAPI

from medpipe.errors import CertificateError
from medpipe.records import schema
from medpipe.serving import intake
from medpipe.serving.desk import Desk
from medpipe.serving.release import Release

ROUTE = "/v1/{workload}"
EXAMPLE = f"{ROUTE}/example"

Node = dict[str, Any]
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "schema": {
        "type": "object",
        "required": [intake.FIELD],
        "properties": {intake.FIELD: _BINARY["schema"]},
    }
}
FILE_BODY: Node = {intake.FORM_TYPE: _FORM, **dict.fromkeys(intake.RAW_TYPES, _BINARY)}
"""Ways to send a file."""
ANY_BODY: Node = {**FILE_BODY, intake.RECORD_TYPE: {"schema": {"type": "object"}}}
"""Ways to send an example of a workload that is not known yet."""
_EXPLAINED = "explanation"
_PLACES = ("workload", "service")
"""In an address, for the name of a workload."""


def describe(api: FastAPI, desk: Desk) -> None:
    """Have the OpenAPI document of `api` describe each workload that `desk` answers for."""
    plain = api.openapi

    def openapi() -> Node:
        made = copy.deepcopy(plain())
        paths: Node = {}
        releases = _releases(desk)
        for release in releases:
            paths |= _paths(made, release)
        if paths:  # they say all that the general ones could, and more
            for path in (ROUTE, EXAMPLE):
                del made["paths"][path]
        made["paths"] = paths | made["paths"]
        _name(made["paths"], [release.workload.name for release in releases])
        return made

    api.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it


def answer_schema(release: Release, general: Node) -> Node:
    """What `release` answers: of the `general` schema of an answer, the fields of its question.

    Where the model may abstain, what it then does not say is not promised.
    """
    given = _given(release)
    promised = () if release.settings.serve.abstain == "refuse" else tuple(given)
    held = {*general["required"], *given, _EXPLAINED}
    fields = {name: field for name, field in general["properties"].items() if name in held}
    fields |= {name: _always(fields[name]) for name in given}
    if isinstance(given.get("decision"), str):
        classes = [each["name"] for each in given["classes"]]
        fields["decision"] = {**fields["decision"], "type": "string", "enum": classes}
    elif "decision" in given:
        fields["decision"] = {**fields["decision"], "type": "boolean"}
    return {
        "type": "object",
        "title": release.workload.title,
        "description": release.workload.intended_use,
        "required": [*general["required"], *promised],
        "properties": fields,
        "examples": [_example(release, general, given)],
    }


def _releases(desk: Desk) -> list[Release]:
    try:
        predictors = desk.catalogue.predictors
    except CertificateError:  # the server is starting, or was never started
        return []
    return [predictors[name].release for name in sorted(predictors)]


def _paths(made: Node, release: Release) -> Node:
    """The paths of `release`, whose schemas are put into the document `made`."""
    name, schemas = release.workload.name, made["components"]["schemas"]
    camel = "".join(part.capitalize() for part in name.split("_"))
    schemas[f"{camel}Answer"] = answer_schema(release, schemas["Answer"])
    if release.workload.payload == "record":
        schemas[f"{camel}Record"] = schema.of(release.workload)
    paths = {}
    for path in (ROUTE, EXAMPLE):
        operations = copy.deepcopy(made["paths"][path])
        for method, operation in operations.items():
            _narrow(operation, method, name)
        paths[path.format(workload=name)] = operations
    post = paths[ROUTE.format(workload=name)]["post"]
    post["summary"] = release.workload.title
    post["description"] = (
        f"Intended use: {release.workload.intended_use}\n\nNot for: {release.workload.not_for}"
    )
    post["requestBody"] = {"required": True, "content": _body(release, f"{camel}Record")}
    answered = {"schema": {"$ref": f"#/components/schemas/{camel}Answer"}}
    content = post["responses"]["200"]["content"]
    others = {} if release.workload.payload == "record" else content  # DICOM is about an image
    post["responses"]["200"]["content"] = others | {intake.RECORD_TYPE: answered}
    return paths


def _name(paths: Node, names: list[str]) -> None:
    """Say in `paths` which workloads a place for one may be filled with."""
    for operation in (each for operations in paths.values() for each in operations.values()):
        for parameter in operation.get("parameters", []):
            if names and parameter["in"] == "path" and parameter["name"] in _PLACES:
                parameter["schema"]["enum"] = names


def _narrow(operation: Node, method: str, name: str) -> None:
    """Make `operation` that of one workload."""
    said = [each for each in operation.get("parameters", []) if each["in"] != "path"]
    operation["parameters"] = said
    operation["operationId"] = f"{operation['operationId']}_{method}_{name}"
    operation["tags"] = [name]


def _body(release: Release, named: str) -> Node:
    """What may be sent: a record of the schema called `named`, or a file; with an invented one."""
    workload = release.workload
    if workload.payload == "record":
        reference = {"$ref": f"#/components/schemas/{named}"}
        return {
            intake.RECORD_TYPE: {"schema": reference, **_invented(value=dict(workload.example))}
        }
    found = workload.example_file()
    if found is None:
        return FILE_BODY
    linked = _invented(externalValue=EXAMPLE.format(workload=workload.name))
    return {**FILE_BODY, found.media_type: {**FILE_BODY[found.media_type], **linked}}


def _invented(**given: Any) -> Node:
    return {"examples": {"invented": {"summary": "An invented one", **given}}}


def _given(release: Release) -> Node:
    """What the objective answers where the network's outputs are 0."""
    outputs = release.objective.outputs
    logits = np.zeros(() if outputs == 1 else outputs)
    return release.objective.answer(logits, release.point)


def _always(field: Node) -> Node:
    """The schema of a field that may be null, where it never is."""
    others = [each for each in field.get("anyOf", []) if each != {"type": "null"}]
    kept = {name: value for name, value in field.items() if name not in ("anyOf", "default")}
    return {**kept, **(others[0] if len(others) == 1 else {})}


def _example(release: Release, general: Node, given: Node) -> Node:
    """An answer such as `release` gives."""
    ours = {
        "workload": release.workload.name,
        "model_version": str(release.settings.version),
        "certificate_sha256": release.certificate_sha256,
        "intended_use": release.workload.intended_use,
    }
    common = {name: general["example"][name] for name in general["required"]}
    return {**common, **ours, **given, _EXPLAINED: None}  # FastAPI leaves null out of examples
