"""The ways in which a column is found in a chart; a workload's map is made of these."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from medpipe.columns import Column
from medpipe.errors import UnreadableError
from medpipe.io.fhir import units
from medpipe.io.fhir.chart import Chart
from medpipe.io.fhir.elements import Coding, at, codings, day, moment
from medpipe.io.fhir.mapping import Ask, FromFhir
from medpipe.io.fhir.measurements import Measurement

_H = timedelta(hours=1)


@dataclass(frozen=True)
class Codes:
    """What LOINC calls a measurement, and the units in which it may come.

    Parameters
    ----------
    loinc : codes of one kind of quantity; a mass and an amount of substance are two kinds
    units : to the column's unit
    unless : LOINC codes of something else: what has one of these too is not meant
    presumed : what is taken for granted where one of these codes is used
    """

    loinc: tuple[str, ...]
    units: units.Units
    unless: tuple[str, ...] = ()
    presumed: str = ""


@dataclass(frozen=True)
class _Measured(FromFhir):
    column: str
    codes: tuple[Codes, ...]

    @property
    def asks(self) -> tuple[Ask, ...]:
        return (Ask("Observation", tuple(c for codes in self.codes for c in codes.loinc)),)

    @property
    def said(self) -> str:
        kinds = (f"{', '.join(c.loinc)} in {', '.join(c.units)}" for c in self.codes)
        return f"Observation with LOINC {'; '.join(kinds)}"

    def _found(self, chart: Chart) -> list[tuple[Measurement, Codes]]:
        """Measurements of it, each once, whatever number of codes it has."""
        found: dict[int, tuple[Measurement, Codes]] = {}
        others: set[int] = set()
        for codes in self.codes:
            for measurement in (m for loinc in codes.loinc for m in chart.measured.get(loinc, ())):
                if any(code in codes.unless for _, code in measurement.codes):
                    others.add(id(measurement.quantity))
                else:
                    found[id(measurement.quantity)] = (measurement, codes)
        for _ in others - found.keys():
            chart.leave(f"{self.column.replace('_', ' ')}: another code makes it something else")
        return list(found.values())

    def _number(self, chart: Chart, measurement: Measurement, codes: Codes) -> float:
        """The value in the column's unit; from here on the answer rests on it."""
        unit = units.code(measurement.quantity)
        if unit is None or unit not in codes.units:
            raise UnreadableError(
                f"{self.column}: the unit is {units.shown(unit)}; for LOINC "
                f"{', '.join(codes.loinc)} it may be, in UCUM, {', '.join(codes.units)}",
                fault="content",
            )
        if codes.presumed:
            chart.remark(codes.presumed)
        chart.use(measurement.observation)
        return codes.units[unit](measurement.quantity["value"])


@dataclass(frozen=True)
class Series(_Measured):
    """Measurements over the hours since the encounter began.

    Parameters
    ----------
    from_h : earlier ones are another column's
    """

    from_h: float = 0.0

    def value(self, chart: Chart, column: Column) -> list[list[float]] | None:
        pairs = []
        for measurement, codes in self._found(chart):
            if measurement.time is None:
                chart.leave("measurement of which only the day is known")
                continue
            hour = (measurement.time - chart.start) / _H
            if hour < 0 or (column.span_h is not None and hour > column.span_h):
                chart.leave(f"measurement outside the hours 0 to {column.span_h:g}")
            elif hour >= self.from_h:
                pairs.append([hour, self._number(chart, measurement, codes)])
        return pairs or None


@dataclass(frozen=True)
class Nearest(_Measured):
    """The one measurement that is nearest in time to the beginning of the encounter.

    Parameters
    ----------
    before_h, after_h : how far from it it may be; None: any time before
    """

    before_h: float | None = None
    after_h: float = 1.0

    def value(self, chart: Chart, column: Column) -> float | None:
        near = []
        for number, (measurement, codes) in enumerate(self._found(chart)):
            if measurement.time is None:
                chart.leave("measurement of which only the day is known")
                continue
            hour = (measurement.time - chart.start) / _H
            if hour < self.after_h and (self.before_h is None or hour >= -self.before_h):
                near.append((abs(hour), number, measurement, codes))
        if not near:
            return None
        *_, measurement, codes = min(near, key=lambda found: found[:2])
        return self._number(chart, measurement, codes)


@dataclass(frozen=True)
class Highest(_Measured):
    """The class of the highest measurement of the encounter.

    Parameters
    ----------
    above : limit → word, from the highest limit down; a value above the limit is of that class
    otherwise : the word for what is above none of them
    """

    above: tuple[tuple[float, str], ...] = ()
    otherwise: str = ""

    def value(self, chart: Chart, column: Column) -> str | None:
        first, last = days(chart)
        numbers = [
            self._number(chart, measurement, codes)
            for measurement, codes in self._found(chart)
            if first <= measurement.day and (last is None or measurement.day <= last)
        ]
        if not numbers:
            return None
        return next((word for limit, word in self.above if max(numbers) > limit), self.otherwise)


@dataclass(frozen=True)
class Age(FromFhir):
    """Completed years when the encounter began, as a number or as one of the column's bands.

    Parameters
    ----------
    bands : (lowest age, word), in ascending order; none: the number itself
    """

    column: str
    bands: tuple[tuple[int, str], ...] = ()
    asks = (Ask("Patient"),)

    def value(self, chart: Chart, column: Column) -> float | str | None:
        if chart.person is None or "birthDate" not in chart.person:
            return None
        first, _ = days(chart)
        if (born := day(chart.person["birthDate"])) is None:
            chart.leave("birth date of which the day is not known")
            return None
        years = first.year - born.year - ((first.month, first.day) < (born.month, born.day))
        if not self.bands:
            return float(years)
        return next((word for low, word in reversed(self.bands) if years >= low), None)


@dataclass(frozen=True)
class Coded(FromFhir):
    """A class, from a code.

    Parameters
    ----------
    kind : Patient, Encounter, or Location (of those where the encounter took place)
    path : to a code, Coding or CodeableConcept; see `elements.at`
    words : of each code
    """

    column: str
    kind: str
    path: tuple[str, ...]
    words: Mapping[Coding, str]

    @property
    def asks(self) -> tuple[Ask, ...]:
        return (Ask(self.kind),)

    @property
    def said(self) -> str:
        return ".".join((self.kind, *self.path))

    def value(self, chart: Chart, column: Column) -> str | None:
        found = [coding for r in self._resources(chart) for coding in codings(at(r, *self.path))]
        words = {self.words[coding] for coding in found if coding in self.words}
        name = column.name.replace("_", " ")
        if len(words) > 1:
            chart.leave(f"{name}: codes that contradict each other")
        elif found and not words:
            chart.leave(f"{name}: a code that is not declared")
        return words.pop() if len(words) == 1 else None

    def _resources(self, chart: Chart) -> list[Any]:
        if self.kind == "Patient":
            return [chart.person]
        if self.kind == "Encounter":
            return [chart.encounter]
        places = at(chart.encounter, "location", "location")
        return [chart.linked(place, chart.encounter) for place in places]


@dataclass(frozen=True)
class Throughout(FromFhir):
    """1 when a procedure began, and at every full hour while it was going on.

    Parameters
    ----------
    codes : of the procedure
    """

    column: str
    codes: tuple[Coding, ...]

    @property
    def asks(self) -> tuple[Ask, ...]:
        return (Ask("Procedure", tuple(code for _, code in self.codes)),)

    def value(self, chart: Chart, column: Column) -> list[list[float]] | None:
        hours: set[float] = set()
        span = column.span_h or 0.0
        for procedure in chart.of("Procedure"):
            if not codings(procedure.get("code")) & set(self.codes):
                continue
            first, last = (
                next(iter(at(procedure, "performedPeriod", end)), None) for end in ("start", "end")
            )
            began, ended = moment(first), moment(last)
            if began is None or (ended is None and last is not None):
                chart.leave("Procedure of which the times are not known")
                continue
            low = max((began - chart.start) / _H, 0.0)
            high = span if ended is None else min((ended - chart.start) / _H, span)
            if low <= high:
                hours |= {low, *(float(hour) for hour in range(math.ceil(low), int(high) + 1))}
                chart.use(procedure)
        return [[hour, 1.0] for hour in sorted(hours)] or None


def days(chart: Chart) -> tuple[date, date | None]:
    """The first and the last day of the encounter; None while it lasts."""
    first, last = (
        day(next(iter(at(chart.encounter, "period", end)), None)) for end in ("start", "end")
    )
    if first is None:
        raise UnreadableError(
            "Encounter.period.start is missing, or is no day; write it as 2024-05-31",
            fault="content",
        )
    return first, last
