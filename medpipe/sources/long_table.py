"""Layout `table` of series: the user's own tables, one of measurements and one of stays.

    source:
      name: table
      path: /data/measurements.csv
      options: {stays: stays.csv, stay: icustay_id, time: charted_at, variable: label,
                value: valuenum, admitted: intime, patient: mrn, label: died, date: intime,
                columns: {age_years: age, sex: gender}, variables: {Creatinine: creatinine_mg_dl},
                others: leave_out}

Either is CSV or Parquet. The measurements are in long form, a row each, and those of one stay stand
together: the table is read once, however long it is. The stays are a row each.

The time of a measurement is in hours since admission; or, where `admitted` names a column of the
stays, a time of day as 2024-05-31 14:05. What is later than the hours that the workload asks about
is left out: it is the future. What is earlier than admission is kept, for validate to flag, and is
taken for not known. A row without a value is no measurement; text in the place of a number stops
the run, and so does a variable that nobody knows, unless `others` says `leave_out`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from medpipe.columns import Column
from medpipe.errors import SourceError
from medpipe.sources import cells, rows
from medpipe.sources.options import checked
from medpipe.workload import Item, Section, Source

_HOUR_S = 3600.0
Placed = tuple[str, Mapping[str, Any]]
"""A row, and its place in words."""


class LongOptions(Section):
    """Which of the user's columns says what."""

    stays: str = Field("stays.csv", description="table of stays, beside that of measurements")
    stay: str = Field("stay", description="what names a stay for ever, in both tables")
    time: str = Field("time", description="of a measurement")
    variable: str = Field("variable", description="what was measured")
    value: str = Field("value", description="the number")
    patient: str = Field("patient", description="the patient's number")
    label: str | None = Field(None, description="the answer; by default the workload's own name")
    admitted: str | None = Field(None, description="when the stay began, where `time` is no number")
    site: str | None = None
    date: str | None = Field(None, description="day that the stay is of")
    columns: dict[str, str] = Field(
        default_factory=dict, description="column of raw: user's column of the stays"
    )
    values: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description="column of raw: {user's word: the workload's word, or nothing for not known}",
    )
    variables: dict[str, str] = Field(
        default_factory=dict, description="user's name of a variable: series of raw"
    )
    others: Literal["refuse", "leave_out"] = Field(
        "refuse", description="what becomes of variables that the workload does not ask for"
    )
    public_site: bool = Field(False, description="the site's name identifies nobody: keep it")
    labelled: bool = Field(
        True, description="false: the answers are not known yet; no label is read"
    )


class LongTable(Source):
    """The measurements at `path`, stay by stay, and then the stays without any.

    Parameters
    ----------
    options : `LongOptions` as a mapping
    columns : of the workload
    label : its declared set is what a cell may hold
    further : more labels, where one stay has several
    """

    def __init__(
        self,
        path: Path,
        options: Mapping[str, Any],
        *,
        columns: Sequence[Column],
        label: Column,
        further: Sequence[Column] = (),
    ) -> None:
        self._path, self._label = path, label
        self._options = checked(LongOptions, options, layout="table")
        more = further if self._options.labelled else ()
        self._further = tuple(column.name for column in more)
        self._theirs = {name: name for name in self._further} | self._options.columns
        self._columns = {column.name: column for column in (*columns, *further)}
        series = {c.name: c for c in columns if c.dtype == "series"}
        self._series = series | self._named(series)

    def items(self) -> Iterator[Item]:
        options = self._options
        stays = self._stays()
        named = {options.stay, options.time, options.variable, options.value}
        done: dict[str, str] = {}
        placed = rows.read(self._path, named)
        for stay, group in groupby(placed, key=lambda placed: _key(placed, options.stay)):
            of_stay = list(group)
            first = of_stay[0]
            if stay not in stays:
                raise SourceError(f"{first[0]}: {options.stays} has no such {options.stay}")
            if stay in done:
                raise SourceError(
                    f"{first[0]}: its stay began at {done[stay]}, and others stand between; sort "
                    f"the table by {options.stay}"
                )
            done[stay] = first[0]
            yield self._item(stay, stays[stay], self._measured(of_stay, stays[stay]))
        for stay, row in stays.items():
            if stay not in done:
                yield self._item(stay, row, {})

    def _named(self, series: Mapping[str, Column]) -> dict[str, Column]:
        """The series under the user's names."""
        if unknown := sorted(set(self._options.variables.values()) - set(series)):
            raise SourceError(
                f"source.options.variables names {', '.join(unknown)}, which is no series; there "
                f"are {', '.join(series)}"
            )
        return {theirs: series[ours] for theirs, ours in self._options.variables.items()}

    def _stays(self) -> dict[str, Placed]:
        """Stay → its row. Raises SourceError where one stands twice."""
        options = self._options
        single = (options.stay, options.patient, options.site, options.date, options.admitted)
        named = {*(n for n in (*single, self._label_name) if n), *self._theirs.values()}
        stays: dict[str, Placed] = {}
        for where, row in rows.read(self._path.parent / options.stays, named):
            stay = _key((where, row), options.stay)
            if stay in stays:
                raise SourceError(
                    f"{where}: {options.stay} is that of {stays[stay][0]}, too; keep one"
                )
            stays[stay] = where, row
        return stays

    @property
    def _label_name(self) -> str | None:
        return (self._options.label or self._label.name) if self._options.labelled else None

    def _measured(
        self, measurements: Sequence[Placed], stay: Placed
    ) -> dict[str, list[tuple[float, float]]]:
        """Series → (hour, value) of one stay, in the order of the table."""
        start = self._start(stay)
        found: dict[str, list[tuple[float, float]]] = {}
        for where, row in measurements:
            column = self._series_of(row, where)
            if column is None:
                continue
            value = cells.covariate(row[self._options.value], _number(column), where=where)
            hour = self._hour(row, start, where)
            if value is not None and (column.span_h is None or hour <= column.span_h):
                found.setdefault(column.name, []).append((hour, value))
        return found

    def _series_of(self, row: Mapping[str, Any], where: str) -> Column | None:
        name = str(row[self._options.variable] or "").strip()
        if name not in self._series and self._options.others == "refuse":
            raise SourceError(
                f"{where}: {self._options.variable} is none that the workload asks for; say in "
                "source.options.variables which series it is, or set others: leave_out"
            )
        return self._series.get(name)

    def _start(self, stay: Placed) -> datetime | None:
        where, row = stay
        name = self._options.admitted
        return None if name is None else _moment(row[name], f"{where}: {name}")

    def _hour(self, row: Mapping[str, Any], start: datetime | None, where: str) -> float:
        """Hours from admission; raises SourceError where the cell is empty or something else."""
        name = self._options.time
        if start is not None:
            moment = _moment(row[name], f"{where}: {name}")
            if (moment.tzinfo is None) != (start.tzinfo is None):
                raise SourceError(
                    f"{where}: of {name} and {self._options.admitted} one has a time zone and the "
                    "other has not; give both one, or neither"
                )
            return (moment - start).total_seconds() / _HOUR_S
        hour = cells.covariate(row[name], Column(name, "float", "", "h"), where=where)
        if hour is None:
            raise SourceError(f"{where}: {name} is empty; allowed: hours since admission")
        return float(hour)

    def _item(
        self, stay: str, placed: Placed, measured: Mapping[str, list[tuple[float, float]]]
    ) -> Item:
        where, row = placed
        options = self._options
        described = {
            name: cells.covariate(self._word(name, row[theirs]), self._columns[name], where=where)
            for name, theirs in self._theirs.items()
        }
        word = self._word(self._label.name, rows.said(row, self._label_name))
        label = cells.label(word, self._label, where=where)
        patient, site, day = (
            rows.said(row, name) for name in (options.patient, options.site, options.date)
        )
        fingerprint = repr((label, patient, site, day, described, sorted(measured.items())))
        labels = {name: described.pop(name) for name in self._further}
        return Item(
            key=stay,
            fingerprint=fingerprint,
            payload={**described, **measured},
            label=label,
            patient_id=patient,
            site=site,
            public_site=options.public_site,
            acquired=cells.date_of(day, options.date, where=where),
            covariates=labels,
        )

    def _word(self, column: str, value: Any) -> Any:
        """The workload's word for what the user's cell says."""
        words = self._options.values.get(column, {})
        return words.get(str(value).strip(), value)


def _key(placed: Placed, column: str) -> str:
    where, row = placed
    key = rows.said(row, column)
    if key is None:
        raise SourceError(f"{where}: {column} is empty; it must name a stay")
    return key


def _number(column: Column) -> Column:
    """What one measurement of a series is."""
    return Column(column.name, "float", column.meaning, column.unit, column.low, column.high)


def _moment(value: Any, where: str) -> datetime:
    """Raises SourceError where a cell is no time; the value is not repeated, it may be a name."""
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise SourceError(f"{where} is no time; allowed: 2024-05-31 14:05") from None
