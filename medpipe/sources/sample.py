"""Layout `sample`: the invented patients that a workload synthesises.

    dicom/**/*.dcm    one file per image; patient and site stand in its header
    labels.csv        columns path (relative to the folder) and the label

A file without a row has no label; a row without a file is offered all the same, so that ingest
counts it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from medpipe import files
from medpipe.errors import SourceError
from medpipe.sources.listing import below, fingerprint, found
from medpipe.workload import Item, Source, Workload

_MADE_WITH = "sample.json"


def ensure(workload: Workload, folder: Path, *, patients: int, seed: int) -> bool:
    """Synthesise the sample into `folder` unless it is there, whole, with these patients and seed.

    Returns
    -------
    whether it was made anew
    """
    wanted = {"patients": patients, "seed": seed, "workload": workload.name}
    made = folder / _MADE_WITH
    if made.exists() and files.read_json(made, made_by="medpipe stage ingest") == wanted:
        return False
    with files.new_folder(folder) as partial:
        workload.synthesise(partial, patients=patients, seed=seed)
        files.write_json(partial / _MADE_WITH, wanted)
    return True


class Sample(Source):
    """The sample in folder `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def items(self) -> Iterator[Item]:
        images, table = self._path / "dicom", self._path / "labels.csv"
        if not (images.is_dir() and table.is_file()):
            raise SourceError(
                f"{self._path} is not a sample: looked for dicom/ and labels.csv, found "
                f"{found(self._path)}; `medpipe sample` makes one"
            )
        labels = _labels(table)
        present = {path.relative_to(self._path).as_posix() for path in below(images, (".dcm",))}
        for key in sorted(present | labels.keys()):
            label = labels.get(key)
            path = self._path / key
            yield Item(key, fingerprint(path, label), path, label)


def _labels(table: Path) -> dict[str, str]:
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        names = next(rows, [])
        if len(names) < 2 or names[0] != "path":
            raise SourceError(f"{table} must have the columns path and the label, in this order")
        return {row[0]: row[1] for row in rows if len(row) >= 2}
