"""A bundle, sorted: one patient, one encounter, and what is said of them.

What would make an answer about the wrong person, or about half of a record, is refused: a second
patient, resources about somebody else, two versions of one resource, a page of a longer result.
What is merely of no use is left aside and counted, so that the answer can say so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from medpipe.errors import UnreadableError
from medpipe.io.fhir import measurements
from medpipe.io.fhir.elements import Node, at, moment, nodes, text

_NOT_A_RECORD = ("history", "batch-response", "transaction-response")
_OF_A_PATIENT = (
    *("Encounter", "Observation", "Condition", "Procedure", "Media"),
    *("MedicationAdministration", "MedicationRequest"),
)
_NEVER_WAS = ("entered-in-error", "cancelled", "not-done", "planned", "preparation", "draft")
"""Statuses of what did not happen."""


class Chart:
    """What a bundle holds of its patient.

    Parameters
    ----------
    found : resources with their addresses, as `entries` gives them
    patient, encounter : references that the caller names; None for whichever is there
    codes : LOINC codes of the measurements that are asked for
    complete : kinds of which the bundle holds all there are, so that none means none

    Raises
    ------
    UnreadableError : it is not of one patient, or holds one resource in two versions
    """

    def __init__(
        self,
        found: Iterable[tuple[Node, str]],
        *,
        patient: str | None = None,
        encounter: str | None = None,
        codes: Iterable[str] = (),
        complete: Iterable[str] = (),
    ) -> None:
        self._codes = frozenset(codes)
        self._complete = frozenset(complete)
        self._left: Counter[str] = Counter()
        self._remarks: dict[str, None] = {}
        self._used: dict[str, None] = {}
        self._named: dict[str, Node] = {}
        self._kinds: dict[str, list[Node]] = defaultdict(list)
        self._reference: dict[int, str] = {}
        self._url: dict[int, str] = {}
        for resource, url in found:
            self._add(resource, url)
        self.person, self.patient = self._one_patient(patient)
        self._keep_what_was()
        self._named_encounter = encounter

    # -- what it holds ---------------------------------------------------------------------------
    def of(self, kind: str) -> list[Node]:
        """The resources of `kind` about the patient, of what was planned or withdrawn none."""
        return self._kinds[kind]

    def within(self, kind: str) -> list[Node]:
        """Those of `kind` that say that they belong to the encounter."""
        found = []
        for resource in self.of(kind):
            belongs_to = self.linked(resource.get("encounter", resource.get("context")), resource)
            if belongs_to is self.encounter:
                found.append(resource)
            elif belongs_to is None:
                self.leave(f"{kind} of no encounter in the bundle")
        return found

    def is_whole(self, kind: str) -> bool:
        """Whether it holds all resources of `kind` that there are, so that none means none."""
        return kind in self._complete

    @cached_property
    def encounter(self) -> Node:
        """The encounter that is asked about. Raises UnreadableError unless there is one."""
        found = self.of("Encounter")
        if self._named_encounter is not None:
            found = [e for e in found if e is self._found(self._named_encounter)]
            if not found:
                raise UnreadableError(
                    "the bundle does not hold the encounter that is named, or it never was",
                    fault="content",
                )
        if len(found) != 1:
            raise UnreadableError(
                f"the bundle holds {len(found)} encounters of the patient; send the one that is "
                "asked about, or name it",
                fault="content",
            )
        return found[0]

    @cached_property
    def start(self) -> datetime:
        """When the encounter began. Raises UnreadableError where that is not known to the time."""
        if (found := moment(next(iter(at(self.encounter, "period", "start")), None))) is None:
            raise UnreadableError(
                "hours are counted from Encounter.period.start, which must have a time and a zone, "
                "as 2024-05-31T14:20:00+02:00",
                fault="content",
            )
        return found

    @cached_property
    def measured(self) -> Mapping[str, list[measurements.Measurement]]:
        """Observations and their components, by the LOINC codes that are asked for."""
        return measurements.by_code(self.of("Observation"), self._codes, leave=self.leave)

    def linked(self, value: Any, within: Node) -> Node | None:
        """The resource that the Reference `value`, a part of `within`, leads to; None if none."""
        reference = text(value, "reference")
        if reference.startswith("#"):
            inside = nodes(within.get("contained"))
            return next((r for r in inside if text(r, "id") == reference[1:]), None)
        return self._found(reference)

    def reference(self, resource: Node) -> str | None:
        """How to refer to a resource of the bundle; None where it has neither id nor address."""
        return self._reference.get(id(resource))

    # -- what is told of the reading -------------------------------------------------------------
    def leave(self, what: str) -> None:
        """Count `what` among what was left aside. Never a value or an identifier."""
        self._left[what] += 1

    def remark(self, sentence: str) -> None:
        """Tell the reader of the answer something about how the bundle was read."""
        self._remarks[sentence] = None

    def use(self, resource: Node) -> None:
        """The answer rests on `resource`."""
        if reference := self.reference(resource):
            self._used[reference] = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks, then what was left aside and how often."""
        counted = [f"left aside: {what} ({count})" for what, count in self._left.items()]
        return (*self._remarks, *counted)

    @property
    def used(self) -> tuple[str, ...]:
        """References to what the answer rests on, each once."""
        return tuple(self._used)

    # -- reading ---------------------------------------------------------------------------------
    def _add(self, resource: Node, url: str) -> None:
        kind, name = text(resource, "resourceType"), text(resource, "id")
        local = f"{kind}/{name}" if name else ""
        for known in filter(None, (local, url)):
            if known in self._named:
                if self._named[known] != resource:
                    raise UnreadableError(
                        "the bundle holds two versions of one resource; send the last",
                        fault="content",
                    )
                return
        self._named |= dict.fromkeys(filter(None, (local, url)), resource)
        if reference := local or url:
            self._reference[id(resource)], self._url[id(resource)] = reference, url
        self._kinds[kind].append(resource)

    def _found(self, reference: str) -> Node | None:
        plain = reference.partition("/_history/")[0]
        if plain in self._named:
            return self._named[plain]
        found = self._named.get(_local(plain))
        # The same id on another server is another resource.
        is_elsewhere = plain.startswith("http") and self._url.get(id(found), "").startswith("http")
        return None if is_elsewhere else found

    def _one_patient(self, named: str | None) -> tuple[Node | None, str]:
        """The Patient, if it is there, and the reference by which all others must mean it."""
        people = self._kinds["Patient"]
        if any(self.reference(person) is None for person in people):
            raise UnreadableError("the Patient has neither id nor fullUrl", fault="content")
        meant = {subject for r in self._asked() if (subject := self._subject(r)) is not None}
        meant |= {found for person in people if (found := self.reference(person))}
        if named is not None:
            meant.add(self._subject({"subject": {"reference": named}}) or named)
        if len(meant) != 1:
            found = f"is about {len(meant)} patients" if meant else "names no patient"
            raise UnreadableError(f"the bundle {found}; send one patient's", fault="content")
        return (people[0] if people else None), meant.pop()

    def _asked(self) -> list[Node]:
        return [resource for kind in _OF_A_PATIENT for resource in self._kinds[kind]]

    def _subject(self, resource: Node) -> str | None:
        """The reference to the patient whom `resource` is about; None where it is about none."""
        reference = text(resource.get("subject"), "reference")
        if (found := self._found(reference)) is not None:
            is_patient = text(found, "resourceType") == "Patient"
            return self.reference(found) if is_patient else None
        plain = reference.partition("/_history/")[0]
        local = _local(plain)
        if not local.startswith(("Patient/", "urn:")):
            return None
        return plain if local in self._named else local

    def _keep_what_was(self) -> None:
        for kind in _OF_A_PATIENT:
            kept = []
            for resource in self._kinds[kind]:
                if self._subject(resource) is None:
                    self.leave(f"{kind} about no patient")
                elif text(resource, "status") in _NEVER_WAS:
                    self.leave(f"{kind} that was planned, not done, or withdrawn")
                else:
                    kept.append(resource)
            self._kinds[kind] = kept


def entries(bundle: Any) -> list[tuple[Node, str]]:
    """Resources of `bundle`, any JSON, with their addresses, "" where they have none.

    Raises
    ------
    UnreadableError : no bundle, or not the whole of a patient's record
    """
    if text(bundle, "resourceType") != "Bundle":
        raise UnreadableError("send a FHIR R4 Bundle of one patient's resources", fault="format")
    if (kind := text(bundle, "type")) in _NOT_A_RECORD:
        raise UnreadableError(
            f"a bundle of type {kind} is no patient's record; send a collection or a searchset",
            fault="content",
        )
    if any(text(link, "relation") == "next" for link in nodes(bundle.get("link"))):
        raise UnreadableError(
            "the bundle is a page of a longer result; send all pages as one bundle",
            fault="content",
        )
    found = []
    for entry in nodes(bundle.get("entry")):
        resource = entry.get("resource")
        if not isinstance(resource, Mapping):
            continue
        if text(resource, "resourceType") == "OperationOutcome" and _failed(resource):
            raise UnreadableError(
                "the bundle holds an OperationOutcome with an error: the search for it failed",
                fault="content",
            )
        found.append((resource, text(entry, "fullUrl")))
    return found


def _failed(outcome: Node) -> bool:
    issues = nodes(outcome.get("issue"))
    return any(text(issue, "severity") in ("fatal", "error") for issue in issues)


def _local(reference: str) -> str:
    """``Patient/1`` of ``https://…/Patient/1``; any other reference as it is."""
    if not reference.startswith(("http://", "https://")):
        return reference
    return "/".join(reference.split("/")[-2:])
