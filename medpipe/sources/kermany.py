"""Layout `kermany`: chest radiographs of children, as published (and on Kaggle under chest_xray/).

    {train,test[,val]}/{NORMAL,PNEUMONIA}/*.jpeg

Kermany D, Zhang K, Goldbaum M. Labeled OCT and Chest X-Ray Images for Classification. Mendeley
Data v2, 2018, doi:10.17632/rscbjbr9sj.2, CC BY 4.0; Kermany et al., Cell 172:1122–1131, 2018.

The patient is in the file name: ``person<N>_…`` (pneumonia), ``IM-<N>-…`` or ``NORMAL2-IM-<N>-…``
(normal). NORMAL2 is a second series with numbers of its own. 170 persons stand in both train and
test of the published split.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from medpipe.errors import SourceError
from medpipe.sources.listing import below, fingerprint, found
from medpipe.workload import Item, Source

_SIDES: tuple[Literal["train", "val", "test"], ...] = ("train", "val", "test")
_CLASSES = {"NORMAL": 0, "PNEUMONIA": 1}
_SUFFIXES = (".jpeg", ".jpg", ".png")
_PATIENT = re.compile(r"(person\d+|(?:NORMAL2-)?IM-\d+)[_-]")


class Kermany(Source):
    """The published folders under `path`, or under ``path/chest_xray``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def items(self) -> Iterator[Item]:
        root = self._root()
        for side in _SIDES:
            for name, label in _CLASSES.items():
                folder = root / side / name
                if not folder.is_dir():
                    continue
                for path in below(folder, _SUFFIXES):
                    key = path.relative_to(root).as_posix()
                    patient = _PATIENT.match(path.name)
                    yield Item(
                        key=key,
                        fingerprint=fingerprint(path, label),
                        payload=path,
                        label=label,
                        patient_id=patient[1] if patient else None,
                        published=side,
                    )

    def _root(self) -> Path:
        for root in (self._path, self._path / "chest_xray"):
            if all((root / "train" / name).is_dir() for name in _CLASSES):
                return root
        raise SourceError(
            f"{self._path} is not the published layout: looked for train/NORMAL and "
            f"train/PNEUMONIA (test and val beside them; all may lie in chest_xray/), "
            f"found {found(self._path)}"
        )
