"""Elements of FHIR R4 resources, in JSON that may hold anything: what is not there is left out.

Resources are read tolerantly, because a hospital's bundle holds much that no question asks for,
and a slip in that is no reason to refuse the rest. `fhir.resources`, which is what our answers are
tested with, is strict; it knows R4B and not R4, and costs half a second of every start.

References
----------
HL7 FHIR R4 (4.0.1), https://hl7.org/fhir/R4/: data types, references, resource Bundle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

Node = Mapping[str, Any]
"""A JSON object: a resource, or a part of one."""
Coding = tuple[str, str]
"""System and code; the system is empty where the element is a plain code."""

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})", re.ASCII)


def nodes(value: Any) -> list[Node]:
    """The objects in `value`, which may be one, a list of them, or anything else."""
    return [node for node in _flat([value]) if isinstance(node, Mapping)]


def at(value: Any, *path: str) -> list[Any]:
    """All that `path` leads to in `value`, through lists; ``@URL`` picks extensions by URL."""
    here = list(_flat([value]))
    for step in path:
        there = [node for node in here if isinstance(node, Mapping)]
        if step.startswith("@"):
            here = [node for node in there if node.get("url") == step[1:]]
        else:
            here = list(_flat(node[step] for node in there if step in node))
    return here


def text(node: Any, name: str) -> str:
    """The text called `name` in `node`; empty where there is none."""
    value = node.get(name) if isinstance(node, Mapping) else None
    return value if isinstance(value, str) else ""


def codings(value: Any) -> set[Coding]:
    """What is coded in `value`: CodeableConcepts, Codings or plain codes, one or a list."""
    found = {("", code) for code in _flat([value]) if isinstance(code, str)}
    for node in nodes(value):
        for coding in nodes(node.get("coding", node)):
            if code := text(coding, "code"):
                found.add((text(coding, "system"), code))
    return found


def moment(value: Any) -> datetime | None:
    """A point in time, with its zone; None for a mere day, and for what is none."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:  # the 30th of February
        return None


def day(value: Any) -> date | None:
    """The day of a date, or of a point in time where that was; None of a mere month or year."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    found = moment(value)
    return None if found is None else found.date()


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):  # FHIR knows no lists of lists
            yield from value
        else:
            yield value
