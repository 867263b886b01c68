"""Observations as measurements: by LOINC code, with the time and the value as it was sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from medpipe.io.fhir.elements import LOINC, Coding, Node, at, codings, day, moment, nodes, text

_REPORTED = ("final", "amended", "corrected", "preliminary")
"""Statuses of what may be relied on as far as it goes."""


@dataclass(frozen=True)
class Measurement:
    """A number that was measured.

    Parameters
    ----------
    observation : the resource that holds it, itself or as a component
    codes : of the measurement
    quantity : as it was sent, with a number in it
    time : with a zone; None where only the day is known
    """

    observation: Node
    codes: frozenset[Coding]
    quantity: Node
    time: datetime | None
    day: date


def by_code(
    observations: Iterable[Node], asked: frozenset[str], *, leave: Callable[[str], None]
) -> Mapping[str, list[Measurement]]:
    """The measurements in `observations` with the LOINC codes that are `asked` for.

    Whatever cannot be used is told to `leave`.
    """
    found: defaultdict[str, list[Measurement]] = defaultdict(list)
    for observation in observations:
        parts = [
            (code, part)
            for part in (observation, *nodes(observation.get("component")))
            for system, code in codings(part.get("code"))
            if system == LOINC and code in asked
        ]
        if not parts:
            leave("Observation of something that is not asked for")
        elif text(observation, "status") not in _REPORTED:
            leave("Observation that is not reported, or was withdrawn")
        elif (when := _when(observation)) is None:
            leave("Observation without a day")
        else:
            for code, part in parts:
                named, quantity = frozenset(codings(part.get("code"))), _quantity(part)
                if quantity is None:
                    leave("Observation whose value is no number, or only a bound as in < 0.01")
                else:
                    found[code].append(Measurement(observation, named, quantity, *when))
    return found


def _quantity(part: Node) -> Node | None:
    """The Quantity in `part`; None where it holds something else, or nothing."""
    if "valueInteger" in part:
        quantity: Node = {"value": part["valueInteger"]}
    else:
        quantity = next(iter(nodes(part.get("valueQuantity"))), {})
    value = quantity.get("value")
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return quantity if is_number and not text(quantity, "comparator") else None


def _when(observation: Node) -> tuple[datetime | None, date] | None:
    """When it was measured: of a period, its end."""
    for path in (("effectiveDateTime",), ("effectiveInstant",), ("effectivePeriod", "end")):
        for value in at(observation, *path):
            if (on := day(value)) is not None:
                return moment(value), on
    return None
