"""What is found in a whole encounter: days, diagnoses, procedures, drugs; and the visits before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from medpipe.columns import Column
from medpipe.io.fhir.chart import Chart
from medpipe.io.fhir.elements import Node, at, codings, day, nodes
from medpipe.io.fhir.finders import days
from medpipe.io.fhir.mapping import Ask, FromFhir

_YEAR = timedelta(days=365)
_REFUTED = ("refuted", "entered-in-error")
_ROLES = ("DD", "billing", "")
"""Of a diagnosis in an encounter, the first that occurs: at discharge, for the bill, not said."""
ATC = "http://www.whocc.no/atc"
_SUBSTANCE = 7
"""Characters of an ATC code that names one substance, or one fixed combination."""


@dataclass(frozen=True)
class Days(FromFhir):
    """Days from the first to the last of the encounter; not known while it lasts."""

    column: str
    asks = (Ask("Encounter"),)

    def value(self, chart: Chart, column: Column) -> int | None:
        first, last = days(chart)
        return None if last is None else (last - first).days


@dataclass(frozen=True)
class Diagnosis(FromFhir):
    """The code of the diagnosis at one place in the ranks of ``Encounter.diagnosis``.

    Parameters
    ----------
    place : 1 for the main one
    systems : of codes that count
    """

    column: str
    place: int
    systems: tuple[str, ...]
    asks = (Ask("Condition"),)

    def value(self, chart: Chart, column: Column) -> str | None:
        ranked = _ranked(chart.encounter)
        if len(ranked) < self.place:
            return None
        condition = chart.linked(ranked[self.place - 1].get("condition"), chart.encounter)
        if condition is None or _is_refuted(condition):
            chart.leave("diagnosis whose Condition is not in the bundle, or was refuted")
            return None
        found = [c for system, c in codings(condition.get("code")) if system in self.systems]
        if len(found) != 1:
            chart.leave("diagnosis without one code of the system that is asked for")
            return None
        chart.use(condition)
        return found[0]


@dataclass(frozen=True)
class Diagnoses(FromFhir):
    """How many diagnoses the encounter names."""

    column: str
    asks = (Ask("Encounter"),)

    def value(self, chart: Chart, column: Column) -> int | None:
        return len(_named(chart.encounter)) or None


@dataclass(frozen=True)
class Procedures(FromFhir):
    """How many procedures were done; not known where the bundle may hold only some of them."""

    column: str
    asks = (Ask("Procedure"),)

    def value(self, chart: Chart, column: Column) -> int | None:
        found = chart.within("Procedure")
        for procedure in found:
            chart.use(procedure)
        return len(found) if found or chart.is_whole("Procedure") else None


@dataclass(frozen=True)
class Substances(FromFhir):
    """How many different drugs were given; not known unless each of them has an ATC code."""

    column: str
    asks = (Ask("MedicationAdministration"),)

    def value(self, chart: Chart, column: Column) -> int | None:
        found = _drugs(chart, "MedicationAdministration")
        if not found and not chart.is_whole("MedicationAdministration"):
            return None
        if not all(found):
            chart.leave("drug without an ATC code: how many were given is not known")
            return None
        return len({code for codes in found for code in codes})


@dataclass(frozen=True)
class Given(FromFhir):
    """Whether a drug of one group was given or prescribed.

    No needs to be known of every drug, and that the bundle holds them all; yes needs one drug.

    Parameters
    ----------
    group : beginning of its ATC codes
    """

    column: str
    group: str
    asks = (Ask("MedicationAdministration"), Ask("MedicationRequest"))

    def value(self, chart: Chart, column: Column) -> bool | None:
        kinds = [ask.kind for ask in self.asks]
        found = [codes for kind in kinds for codes in _drugs(chart, kind)]
        if any(code.startswith(self.group) for codes in found for code in codes):
            return True
        return False if all(found) and all(chart.is_whole(kind) for kind in kinds) else None


@dataclass(frozen=True)
class Visits(FromFhir):
    """How many encounters of some classes began in the year before this one.

    Not known where the bundle may hold only some of the patient's encounters.

    Parameters
    ----------
    classes : codes of ``Encounter.class``
    """

    column: str
    classes: tuple[str, ...]
    asks = (Ask("Encounter", of_patient=True),)

    def value(self, chart: Chart, column: Column) -> int | None:
        this = chart.encounter
        others = [e for e in chart.of("Encounter") if e is not this and not at(e, "partOf")]
        if not others and not chart.is_whole("Encounter"):
            return None
        first, _ = days(chart)
        count = 0
        for encounter in others:
            began = day(next(iter(at(encounter, "period", "start")), None))
            is_meant = any(code in self.classes for _, code in codings(encounter.get("class")))
            if is_meant and began is not None and first - _YEAR <= began < first:
                chart.use(encounter)
                count += 1
        return count


def _named(encounter: Node) -> list[Node]:
    """The diagnoses of `encounter`: those at discharge, else for the bill, else without a role."""
    found = nodes(encounter.get("diagnosis"))
    roles = [{code for _, code in codings(diagnosis.get("use"))} for diagnosis in found]
    for role in _ROLES:
        chosen = [d for d, has in zip(found, roles, strict=True) if role in (has or {""})]
        if chosen:
            return chosen
    return []


def _ranked(encounter: Node) -> list[Node]:
    """Those that have a rank, by it; the only one, if there is one."""
    found = _named(encounter)
    if len(found) == 1:
        return found
    ranked = [diagnosis for diagnosis in found if isinstance(diagnosis.get("rank"), int)]
    return sorted(ranked, key=lambda diagnosis: int(diagnosis["rank"]))


def _is_refuted(condition: Node) -> bool:
    return any(code in _REFUTED for _, code in codings(condition.get("verificationStatus")))


def _drugs(chart: Chart, kind: str) -> list[set[str]]:
    """The ATC codes, at the level of the substance, of each drug of the encounter."""
    found = []
    for resource in chart.within(kind):
        linked = chart.linked(resource.get("medicationReference"), resource)
        coded = at(resource, "medicationCodeableConcept") + at(linked, "code")
        codes = {c for system, c in codings(coded) if system == ATC and len(c) == _SUBSTANCE}
        if codes:
            chart.use(resource)
        found.append(codes)
    return found
