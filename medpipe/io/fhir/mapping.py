"""The declared map from resources to columns: how each field of a record is found in a chart.

A workload declares one `FromFhir` for each column that FHIR can give. A column without one, and
one of which the bundle says nothing, is simply not stated: the workload's own cautions tell the
reader. Nothing is guessed: a number in a unit that is not declared is refused, a code that is not
declared is left aside and counted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medpipe.columns import Column
from medpipe.errors import UnreadableError
from medpipe.io.fhir.chart import Chart

_SAID = 8
"""Problems that one refusal lists."""


@dataclass(frozen=True)
class Ask:
    """Resources that a map needs: of the encounter, unless it says otherwise.

    Parameters
    ----------
    kind : resource type
    codes : that narrow it down; none: all
    of_patient : those of other encounters as well
    """

    kind: str
    codes: tuple[str, ...] = ()
    of_patient: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether what answers it is all there is of its kind, so that nothing means none."""
        is_one = self.kind in ("Patient", "Encounter", "Location") and not self.of_patient
        return not self.codes and not is_one


class FromFhir(ABC):
    """Where a column's value is found."""

    column: str

    @property
    @abstractmethod
    def asks(self) -> tuple[Ask, ...]:
        """What must be in a bundle for the value to be found."""

    @property
    def said(self) -> str:
        """How it is found, for the reader of a specification."""
        return ", ".join(dict.fromkeys(ask.kind for ask in self.asks))

    @abstractmethod
    def value(self, chart: Chart, column: Column) -> Any:
        """The value as a JSON request would state it; None where the chart does not say.

        Raises
        ------
        UnreadableError : it says it in a way that must not be read
        """


@dataclass(frozen=True)
class FhirMap:
    """What FHIR can give of a workload's records, and when a record system may ask.

    Parameters
    ----------
    columns : how each is found; one that is not here is never stated
    hooks : of CDS Hooks, at which an answer is of use
    critical_from : risk at and above which a card may be called critical; None: never
    """

    columns: tuple[FromFhir, ...]
    hooks: tuple[str, ...] = ("patient-view",)
    critical_from: float | None = None

    @property
    def asks(self) -> tuple[Ask, ...]:
        """All that is needed, each once; what differs in its codes only is put together."""
        # The encounter is always needed: the answer is about it.
        together: dict[tuple[str, bool, bool], dict[str, None]] = {("Encounter", False, False): {}}
        for ask in (ask for found in self.columns for ask in found.asks):
            place = (ask.kind, bool(ask.codes), ask.of_patient)
            together.setdefault(place, {}).update(dict.fromkeys(ask.codes))
        return tuple(
            Ask(kind, tuple(codes), of_patient) for (kind, _, of_patient), codes in together.items()
        )

    @property
    def codes(self) -> tuple[str, ...]:
        """LOINC codes of the measurements that are asked for."""
        return tuple(code for a in self.asks if a.kind == "Observation" for code in a.codes)


@dataclass(frozen=True)
class Stated:
    """What a chart says of a record.

    Parameters
    ----------
    record : as the body of a JSON request
    notes : how the chart was read, and what of it was left aside
    used : references to what the record was made from
    """

    record: Mapping[str, Any]
    notes: tuple[str, ...]
    used: tuple[str, ...]


def stated(chart: Chart, fhir: FhirMap, columns: Sequence[Column]) -> Stated:
    """The record that `chart` holds for a question with these `columns`.

    Raises
    ------
    UnreadableError : a value in a unit that is not declared, or a chart without its encounter; the
        message names column, unit, and what is accepted
    """
    by_name = {column.name: column for column in columns}
    chart.use(chart.encounter)
    record, problems = {}, []
    for found in fhir.columns:
        try:
            value = found.value(chart, by_name[found.column])
        except UnreadableError as error:
            problems.append(str(error))
            continue
        if value is not None:
            record[found.column] = value
    if problems:
        said = list(dict.fromkeys(problems))
        more = f"; and {len(said) - _SAID} more" if len(said) > _SAID else ""
        raise UnreadableError("; ".join(said[:_SAID]) + more, fault="content")
    return Stated(record, chart.notes, chart.used)
