"""What identifies the invented patients of a sample, and a search for it in what was written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pydicom
from pydicom.errors import InvalidDicomError

from medpipe.paths import Layout

_NAMED = (
    *("PatientName", "PatientAddress", "PatientTelephoneNumbers", "ReferringPhysicianName"),
    *("InstitutionName", "InstitutionAddress", "OperatorsName"),
)
_NUMBERED = (
    *("PatientID", "AccessionNumber", "PatientBirthDate", "DeviceSerialNumber", "StationName"),
    *("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"),
)
_TOKEN = re.compile(rb"[A-Za-z0-9.\-]{6,}")
WRITTEN = (".medpipe", ".dvc", "data", "models", "reports", "run.log", "dvc.lock")
"""Places of a project that its commands write to."""
_COMMON = {"Close", "General", "Hospital", "Invented", "Royal", "Street"}
"""Words of the sample's addresses that are words of ours, too."""


@dataclass(frozen=True)
class Planted:
    """What no file may hold: `words` anywhere, `numbers` as a token of their own."""

    words: frozenset[bytes]
    numbers: frozenset[bytes]

    def found_in(self, path: Path) -> set[str]:
        """What of it is in the file, Parquet decompressed."""
        hits: set[bytes] = set()
        for data in _contents(path):
            hits |= {word for word in self.words if word in data}
            hits |= self.numbers & set(_TOKEN.findall(data))
        return {hit.decode() for hit in hits}


def planted(source: Path) -> Planted:
    """All that the headers and file names in `source` say of people and places."""
    words: set[str] = set()
    numbers: set[str] = set()
    for path in source.rglob("*.dcm"):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
        except InvalidDicomError:
            continue
        for name in _NAMED:
            text = str(header.get(name, ""))
            words |= set(re.findall(r"[A-Za-z]{5,}", text))
            numbers |= set(re.findall(r"\d{6,}", text))
        numbers |= {str(header.get(name, "")) for name in _NUMBERED}
    return Planted(
        frozenset(word.encode() for word in words - _COMMON),
        frozenset(number.encode() for number in numbers if len(number) >= 6),
    )


def written_by_a_run(
    root: Path, workload: str, places: tuple[str, ...] = WRITTEN
) -> Iterator[Path]:
    """Every file that was written at `places` in `root`, but for source and quarantine list."""
    private = (Layout(root, workload).source, Layout(root, workload).quarantine)
    for name in places:
        place = root / name
        for path in [place] if place.is_file() else place.rglob("*"):
            if path.is_file() and not any(path.is_relative_to(one) for one in private):
                yield path


def _contents(path: Path) -> Iterator[bytes]:
    if path.suffix != ".parquet":
        yield path.read_bytes()
        return
    table = pq.read_table(path)
    yield repr(table.schema.metadata).encode()
    for column in table.columns:
        for value in column.unique().to_pylist():
            yield value if isinstance(value, bytes) else str(value).encode()
