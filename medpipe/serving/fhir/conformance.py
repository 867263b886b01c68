"""What a FHIR client may ask of a workload: CapabilityStatement and OperationDefinition."""

from __future__ import annotations

from typing import Any

from medpipe import __version__
from medpipe.io.fhir.mapping import FhirMap
from medpipe.serving.release import Release

OPERATION = "assess"
FHIR_VERSION = "4.0.1"


def capability(release: Release, base: str) -> dict[str, Any]:
    """The CapabilityStatement of the server whose base URL is `base`: one operation."""
    workload = release.workload
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": release.certificate["issued"],
        "kind": "instance",
        "software": {"name": "medpipe", "version": __version__},
        "implementation": {"description": workload.title, "url": base},
        "fhirVersion": FHIR_VERSION,
        "format": ["json"],
        "rest": [
            {
                "mode": "server",
                "documentation": f"{workload.intended_use} Not for: {workload.not_for}",
                "operation": [{"name": OPERATION, "definition": _url(base)}],
            }
        ],
    }


def definition(release: Release, base: str) -> dict[str, Any]:
    """The OperationDefinition of ``$assess``, with the map from resources to columns."""
    workload = release.workload
    return {
        "resourceType": "OperationDefinition",
        "id": OPERATION,
        "url": _url(base),
        "name": OPERATION.capitalize(),
        "title": workload.title,
        "status": "active",
        "kind": "operation",
        "affectsState": False,
        "description": f"{workload.intended_use} Not for: {workload.not_for}",
        "comment": _said(workload.fhir),
        "code": OPERATION,
        "system": True,
        "type": False,
        "instance": False,
        "parameter": [
            _parameter("bundle", "in", "Bundle", "One patient's resources", least=1),
            _parameter("encounter", "in", "Reference", "Which, where the bundle holds several"),
            _parameter("return", "out", "Any", "RiskAssessment or DiagnosticReport", least=1),
        ],
    }


def _said(fhir: FhirMap | None) -> str:
    if fhir is None:
        return "The file comes in base64 in Media.content.data; Media.subject is the patient."
    return "\n".join(f"- {found.column}: {found.said}" for found in fhir.columns)


def _parameter(name: str, use: str, kind: str, meaning: str, *, least: int = 0) -> dict[str, Any]:
    return {
        "name": name,
        "use": use,
        "min": least,
        "max": "1",
        "documentation": meaning,
        "type": kind,
    }


def _url(base: str) -> str:
    return f"{base}/OperationDefinition/{OPERATION}"
