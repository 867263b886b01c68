"""What is offered to a record system: one service a workload and hook, and the data it wants.

The prefetch templates are derived from the workload's map. They keep to the queries that the
specification recommends, but for the place of the encounter, which needs ``_include``; that one
alone may be left out.

References
----------
HL7 CDS Hooks, sections Discovery and Prefetch Template, https://cds-hooks.hl7.org.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, Field

from medpipe.io.fhir.mapping import Ask, FhirMap
from medpipe.serving.release import Release

OPTIONAL = ("location",)
"""Keys of prefetch that may be missing: what they hold is then not known."""
_SINGLE = {
    "Patient": "Patient/{{context.patientId}}",
    "Encounter": "Encounter/{{context.encounterId}}",
    "Location": "Encounter?_id={{context.encounterId}}&_include=Encounter:location",
}
_ENCOUNTER = {"MedicationAdministration": "context"}
"""Search parameter that holds the encounter, where it is not called so."""


class Service(BaseModel):
    """A service at one hook."""

    hook: str
    title: str
    description: str
    id: str
    prefetch: dict[str, str]
    usageRequirements: str  # noqa: N815  # the specification's name


class Services(BaseModel):
    """All of them; the same id at several hooks is the same service, asked again."""

    services: list[Service] = Field(description="Empty where no released workload reads FHIR")


def offered(releases: Iterable[Release]) -> Services:
    """The services of `releases`, in their order."""
    return Services(
        services=[
            Service(
                hook=hook,
                title=release.workload.title,
                description=release.workload.intended_use,
                id=release.workload.name,
                prefetch={key(ask): template(ask) for ask in fhir.asks},
                usageRequirements=f"Not for: {release.workload.not_for} All of prefetch is "
                f"needed, but for {', '.join(OPTIONAL)}: nothing is fetched from the FHIR server.",
            )
            for release in releases
            if (fhir := release.workload.fhir) is not None
            for hook in fhir.hooks
        ]
    )


def wanted(fhir: FhirMap) -> dict[str, Ask]:
    """What is asked for, by the keys of prefetch."""
    return {key(ask): ask for ask in fhir.asks}


def key(ask: Ask) -> str:
    """The key of `ask` in prefetch."""
    coded = "Coded" if ask.codes else ""
    return f"{ask.kind[0].lower()}{ask.kind[1:]}{coded}{'s' if ask.of_patient else ''}"


def template(ask: Ask) -> str:
    """The FHIR query that answers `ask`, with tokens for what only the client knows."""
    if ask.of_patient:
        return f"{ask.kind}?patient={{{{context.patientId}}}}"
    if ask.kind in _SINGLE:
        return _SINGLE[ask.kind]
    within = f"{ask.kind}?{_ENCOUNTER.get(ask.kind, 'encounter')}={{{{context.encounterId}}}}"
    return f"{within}&code={','.join(ask.codes)}" if ask.codes else within
