"""From one item of a source to one row of raw: the door behind which nobody has a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medpipe.config import IngestParams
from medpipe.deidentify.pseudonym import Pseudonyms
from medpipe.errors import UnreadableError
from medpipe.sources import cells
from medpipe.workload import Identity, Item, Row, Workload

AGE_COLUMN = "age_years"
OLDEST_YEARS = 90
"""Ages above 89 become one category: 45 CFR 164.514(b)(2)(i)(C)."""
ORIGINAL = "original"
"""Column of the de-identified file."""


class Door:
    """Reads items and lets through what identifies nobody. Its methods may run in many threads.

    Parameters
    ----------
    params : section `ingest`
    """

    def __init__(self, workload: Workload, params: IngestParams, pseudonyms: Pseudonyms) -> None:
        self._workload = workload
        self._columns = {column.name: column for column in workload.columns}
        self._pseudonyms = pseudonyms
        self._limits = params.model_dump()
        self._keeps_original = params.keep_original and ORIGINAL in self._columns

    def example(self, item: Item) -> str:
        """The item's name in raw: the same for ever, whatever becomes of its content."""
        return self._pseudonyms("example", item.key)

    def revision(self, item: Item) -> str:
        """Changes when the source says something else of the item."""
        return self._pseudonyms("revision", f"{item.key}\0{item.fingerprint}")

    def row(self, item: Item, *, where: str) -> dict[str, Any]:
        """The row of raw for `item`, without ingest's own columns.

        Parameters
        ----------
        where : the item's number, for messages

        Raises
        ------
        UnreadableError : the item cannot be used; it is quarantined
        SourceError : the source says what the workload does not allow; the run stops
        """
        labels = self._labels(item, where)
        if all(label is None for label in labels.values()):
            raise UnreadableError("no label", fault="content")
        payload = self.payload(item)
        identity = self._workload.identity(payload)
        patient_id = item.patient_id or identity.patient_id
        if not patient_id:
            raise UnreadableError("no PatientID, in neither the source nor the file")
        row = self._workload.read(payload, limits=self._limits)
        row |= self._covariates(item, where)
        row |= self._named(item, identity, patient_id)
        row |= {"example": self.example(item), **labels}
        if row.get(AGE_COLUMN) is not None:
            row[AGE_COLUMN] = min(row[AGE_COLUMN], OLDEST_YEARS)
        if self._keeps_original:
            row[ORIGINAL] = self._workload.original(
                payload, pseudonymise=self._pseudonyms.of(patient_id)
            )
        return row

    def payload(self, item: Item) -> bytes | Row:
        """What `item` is read from.

        Raises
        ------
        UnreadableError : its file is not there, or empty
        """
        if not isinstance(item.payload, Path):
            return item.payload
        try:
            data = item.payload.read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            raise UnreadableError("the file that the source names is not there") from None
        except OSError as error:
            # Its strerror names the fault only; str(error) would name the file.
            raise UnreadableError(f"the file cannot be opened ({error.strerror})") from None
        if not data:
            raise UnreadableError("the file is empty (0 bytes)")
        return data

    def whose(self, item: Item, payload: bytes | Row) -> tuple[str | None, str | None]:
        """The patient's and the site's name in raw; None where nothing says who or where it is."""
        identity = self._workload.identity(payload)
        patient_id = item.patient_id or identity.patient_id
        group = self._pseudonyms("group", patient_id) if patient_id else None
        return group, self._site(item, identity)

    def _labels(self, item: Item, where: str) -> dict[str, Any]:
        """The first label is the item's own, further ones are among its covariates."""
        said = {**item.covariates, self._workload.label: item.label}
        return {
            name: cells.label(said.get(name), self._columns[name], where=where)
            for name in self._workload.label_columns
        }

    def _named(self, item: Item, identity: Identity, patient_id: str) -> dict[str, Any]:
        acquired = item.acquired or identity.acquired
        return {
            "group": self._pseudonyms("group", patient_id),
            "site": self._site(item, identity),
            "time": self._pseudonyms.shift(patient_id, acquired) if acquired else None,
            "published": item.published,
        }

    def _site(self, item: Item, identity: Identity) -> str | None:
        site = item.site or identity.site
        return self._pseudonyms("site", site) if site and not item.public_site else site

    def _covariates(self, item: Item, where: str) -> dict[str, Any]:
        """What the source knows; it has the last word over a header, except by silence."""
        typed = {
            name: cells.covariate(value, self._columns[name], where=where)
            for name, value in item.covariates.items()
            if name not in self._workload.label_columns
        }
        return {name: value for name, value in typed.items() if value is not None}
