"""Layout `rsna`: the RSNA Pneumonia Detection Challenge of 2018.

    stage_2_train_images/<patientId>.dcm
    stage_2_train_labels.csv     patientId, x, y, width, height, Target; a row per box

Shih G et al. Augmenting the National Institutes of Health Chest Radiograph Dataset with Expert
Annotations of Possible Pneumonia. Radiology: Artificial Intelligence 1(1):e180041, 2019. The images
are those of the NIH (Wang et al., CVPR 2017); to be used under the challenge's rules.

One image per patientId; several boxes make one item, positive if any row is.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medpipe.errors import SourceError
from medpipe.sources.listing import below, fingerprint, found
from medpipe.sources.options import checked
from medpipe.workload import Item, Section, Source

_NEEDED = ("patientId", "Target")


class RsnaOptions(Section):
    """Where images and labels lie under the path, if not where the challenge put them."""

    images: str = "stage_2_train_images"
    labels: str = "stage_2_train_labels.csv"


class Rsna(Source):
    """The challenge's training images under `path`."""

    def __init__(self, path: Path, options: Mapping[str, Any] | None = None) -> None:
        self._path = path
        self._options = checked(RsnaOptions, options or {}, layout="rsna")

    def items(self) -> Iterator[Item]:
        images, table = self._path / self._options.images, self._path / self._options.labels
        if not (images.is_dir() and table.is_file()):
            raise SourceError(
                f"{self._path} is not the challenge's layout: looked for {self._options.images}/ "
                f"and {self._options.labels} (source.options images and labels name others), found "
                f"{found(self._path)}"
            )
        labels = _labels(table)
        present = {path.stem: path for path in below(images, (".dcm",))}
        for patient in sorted(present.keys() | labels.keys()):
            path = present.get(patient, images / f"{patient}.dcm")
            label = labels.get(patient)
            yield Item(
                key=path.relative_to(images).as_posix(),
                fingerprint=fingerprint(path, label),
                payload=path,
                label=label,
                patient_id=patient,
            )


def _labels(table: Path) -> dict[str, int]:
    """For each patientId, whether any of its rows is positive."""
    labels: dict[str, int] = {}
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if missing := [name for name in _NEEDED if name not in (rows.fieldnames or [])]:
            raise SourceError(
                f"{table} lacks column {' and '.join(missing)}; it has "
                f"{', '.join(rows.fieldnames or []) or 'none'}"
            )
        for number, row in enumerate(rows, start=2):
            if row["Target"] not in ("0", "1"):
                raise SourceError(
                    f"{table} row {number}: Target is {(row['Target'] or '')[:40]!r}; "
                    "allowed: 0 or 1"
                )
            patient = row["patientId"]
            labels[patient] = max(labels.get(patient, 0), int(row["Target"]))
    return labels
