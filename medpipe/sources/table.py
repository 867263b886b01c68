"""Layout `table`: the user's own CSV or Parquet file, a row per image.

    source:
      name: table
      path: /data/films.csv
      options: {path: file, patient: mrn, label: pneumonia, site: ward, date: taken_on,
                columns: {sex: sex, age_years: age}, images: /data/films, public_site: true}

Options name the user's columns; relative paths are taken from `images`, or from the table's folder.
Rows are counted as a spreadsheet shows them: the header is row 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from medpipe.columns import Column
from medpipe.errors import SourceError
from medpipe.sources import cells, rows
from medpipe.sources.listing import fingerprint
from medpipe.sources.options import checked
from medpipe.workload import Item, Section, Source


class TableOptions(Section):
    """Which of the user's columns says what. `patient` may be left out where headers say it."""

    path: str = Field("path", description="file of the image")
    label: str | None = Field(None, description="the answer; by default the workload's own name")
    patient: str | None = None
    site: str | None = None
    date: str | None = Field(None, description="when the image was taken")
    columns: dict[str, str] = Field(
        default_factory=dict, description="column of raw: user's column"
    )
    images: str | None = Field(None, description="folder that relative paths start from")
    public_site: bool = Field(False, description="the site's name identifies nobody: keep it")
    labelled: bool = Field(
        True, description="false: the answers are not known yet; no label is read"
    )


class Table(Source):
    """The rows of the file at `path`.

    Parameters
    ----------
    options : `TableOptions` as a mapping
    label : the workload's label; its declared set is what a cell may hold
    columns : of the workload; types the covariates here, so that an error names the row
    """

    def __init__(
        self,
        path: Path,
        options: Mapping[str, Any],
        *,
        label: Column,
        columns: Sequence[Column] = (),
    ) -> None:
        self._path = path
        self._options = checked(TableOptions, options, layout="table")
        self._label = label
        self._columns = {column.name: column for column in columns}
        self._images = path.parent / (self._options.images or "")

    def items(self) -> Iterator[Item]:
        seen: dict[str, str] = {}
        for where, row in rows.read(self._path, self._named()):
            name = str(row[self._options.path] or "").strip()
            if not name:
                raise SourceError(f"{where}: {self._options.path} is empty; allowed: a file's path")
            if name in seen:
                raise SourceError(
                    f"{where}: {self._options.path} names the same file as {seen[name]}; keep one"
                )
            seen[name] = where
            yield self._item(name, row, where)

    def _item(self, name: str, row: Mapping[str, Any], where: str) -> Item:
        options = self._options
        label = cells.label(rows.said(row, self._label_name), self._label, where=where)
        patient, site, day = (
            rows.said(row, column) for column in (options.patient, options.site, options.date)
        )
        covariates = {
            name: self._covariate(name, row[column], where)
            for name, column in options.columns.items()
        }
        path = self._images / name
        return Item(
            key=name,
            fingerprint=fingerprint(path, label, patient, site, day, covariates),
            payload=path,
            label=label,
            patient_id=patient,
            site=site,
            public_site=options.public_site,
            acquired=cells.date_of(day, options.date, where=where),
            covariates=covariates,
        )

    def _covariate(self, name: str, value: Any, where: str) -> Any:
        if name not in self._columns:
            return value
        return cells.covariate(value, self._columns[name], where=where)

    def _named(self) -> set[str]:
        options = self._options
        single = (options.path, options.patient, options.site, options.date, self._label_name)
        return {*(column for column in single if column), *options.columns.values()}

    @property
    def _label_name(self) -> str | None:
        return (self._options.label or self._label.name) if self._options.labelled else None
