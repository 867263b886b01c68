"""Layout `table` of records: the user's own CSV or Parquet file, a row per example.

    source:
      name: table
      path: /data/encounters.csv
      options: {example: encounter_no, patient: mrn, label: back_in_30_days, site: ward,
                date: discharged_on, columns: {sex: gender, a1c: hba1c_class},
                values: {sex: {Female: F, Male: M}}, missing: ["?"]}

Options name the user's columns. A column that the workload asks for and that options do not name is
looked for under its own name; where the table has none, it is not known of any row, and the log
says so.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from medpipe.columns import Column
from medpipe.errors import SourceError
from medpipe.sources import cells, rows
from medpipe.sources.options import checked
from medpipe.workload import Item, Section, Source

_REMEMBERED = 4096
"""Different cells of a column; millions of rows say the same few words."""
_Plan = list[tuple[Column, str | None, dict[str, Any]]]
"""For each column the user's name of it, if there is one, and its cells that were parsed."""
_log = logging.getLogger(__name__)


class RecordOptions(Section):
    """Which of the user's columns says what, and what the words in them mean."""

    example: str = Field("example", description="what names a row for ever: an encounter's number")
    patient: str = Field("patient", description="the patient's number")
    label: str | None = Field(None, description="the answer; by default the workload's own name")
    site: str | None = None
    date: str | None = Field(None, description="when it was: the day of discharge, of admission")
    columns: dict[str, str] = Field(
        default_factory=dict, description="column of raw: user's column"
    )
    values: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description="column of raw: {user's word: the workload's word, or nothing for not known}",
    )
    missing: list[str] = Field(
        default_factory=list, description="words that stand for not known in every column"
    )
    public_site: bool = Field(False, description="the site's name identifies nobody: keep it")
    labelled: bool = Field(
        True, description="false: the answers are not known yet; no label is read"
    )


class Records(Source):
    """The rows of the table at `path`.

    Parameters
    ----------
    options : `RecordOptions` as a mapping
    columns : those that a record may state (`medpipe.records.record.asked`); series are not for
        this layout
    label : its declared set is what a cell may hold
    further : more labels, where one example has several
    member : name of the CSV file inside, where `path` is a zip archive
    """

    def __init__(
        self,
        path: Path,
        options: Mapping[str, Any],
        *,
        columns: Sequence[Column],
        label: Column,
        further: Sequence[Column] = (),
        member: str | None = None,
    ) -> None:
        self._path, self._member, self._label = path, member, label
        self._options = checked(RecordOptions, options, layout="table")
        more = further if self._options.labelled else ()
        self._further = tuple(column.name for column in more)
        self._columns = [column for column in (*columns, *more) if not column.content]
        self._missing = frozenset(self._options.missing)

    def items(self) -> Iterator[Item]:
        options = self._options
        theirs = self._theirs()
        single = (options.example, options.patient, options.site, options.date, self._label_name)
        named = {*(name for name in single if name), *theirs.values()}
        plan: _Plan = [(column, theirs.get(column.name), {}) for column in self._columns]
        for where, row in rows.read(self._path, named, member=self._member):
            yield self._item(row, plan, where)

    @property
    def _label_name(self) -> str | None:
        return (self._options.label or self._label.name) if self._options.labelled else None

    def _theirs(self) -> dict[str, str]:
        """Column of raw → user's column, for those that the table has."""
        there = set(rows.names(self._path, member=self._member))
        own = {c.name: c.name for c in self._columns if c.name in there}
        theirs = own | self._options.columns
        absent = [c for c in self._columns if c.name not in theirs]
        if needed := [c.name for c in absent if not c.nullable]:
            raise SourceError(
                f"{self._path} has no column {' and '.join(needed)}, without which no example can "
                "be used; source.options.columns say which column it is"
            )
        if absent:
            _log.warning(
                "the table has no column for %s: not known of any example",
                ", ".join(column.name for column in absent),
            )
        return theirs

    def _item(self, row: Mapping[str, Any], plan: _Plan, where: str) -> Item:
        options = self._options
        key = rows.said(row, options.example)
        if key is None:
            raise SourceError(f"{where}: {options.example} is empty; it must name the row for ever")
        record: dict[str, Any] = {}
        for column, named, seen in plan:
            value = row[named] if named is not None else None
            if value is None:
                record[column.name] = None
            elif type(value) is str and value in seen:
                record[column.name] = seen[value]
            else:
                record[column.name] = self._cell(value, column, seen, where)
        word = self._word(self._label.name, rows.said(row, self._label_name))
        label = cells.label(word, self._label, where=where)
        patient, site, day = (
            rows.said(row, name) for name in (options.patient, options.site, options.date)
        )
        fingerprint = repr((label, patient, site, day, list(record.values())))
        labels = {name: record.pop(name) for name in self._further}
        return Item(
            key=key,
            fingerprint=fingerprint,
            payload=record,
            label=label,
            patient_id=patient,
            site=site,
            public_site=options.public_site,
            acquired=cells.date_of(day, options.date, where=where),
            covariates=labels,
        )

    def _cell(self, value: Any, column: Column, seen: dict[str, Any], where: str) -> Any:
        """The typed value of a cell; what a column says often is parsed once."""
        typed = cells.covariate(self._word(column.name, value), column, where=where)
        if isinstance(value, str) and len(seen) < _REMEMBERED:
            seen[value] = typed
        return typed

    def _word(self, column: str, value: Any) -> Any:
        """The workload's word for what the user's cell says."""
        text = "" if value is None else str(value).strip()
        if text in self._missing:
            return None
        words = self._options.values.get(column)
        return value if words is None else words.get(text, text)
