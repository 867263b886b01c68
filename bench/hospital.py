"""Two invented hospitals, week by week: films come in, and what became of them is known later."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pydicom

from medpipe.synthetic.sample import Setting, files_of
from medpipe.synthetic.scanner import SCANNERS

FOLLOWED_UP = 0.8
"""Share of films of which somebody tells what they turned out to show."""
OLD, PANEL = SCANNERS
FAULTY = replace(PANEL, station="RFI-DR-02", noise=0.03, inverted=True)
"""The unit that one hospital buys: it stores negatives without saying so, and is noisier."""


@dataclass(frozen=True)
class Film:
    """One film as the hospital sends it; `pneumonia` is the truth."""

    path: str
    data: bytes
    site: str
    pneumonia: int


@dataclass
class Hospitals:
    """Their archive in `folder`: ``dicom/`` and, of films whose truth was told, ``films.csv``.

    Parameters
    ----------
    patients : a week
    setting : who comes, and which units film them; may be changed between weeks
    corrupts : whether what is told upstream belongs to another patient from now on
    """

    folder: Path
    patients: int = 100
    seed: int = 1
    setting: Setting = field(default_factory=lambda: Setting(ill_share=0.35))
    corrupts: bool = False
    _count: int = 0

    def week(self, patients: int | None = None) -> list[Film]:
        """The readable films of the next week, put into the archive."""
        films = []
        for _ in range(patients or self.patients):
            for path, data, pneumonia in files_of(
                self._count, seed=self.seed, setting=self.setting
            ):
                if path.endswith(("_resent.dcm", "_again.dcm")):
                    continue
                target = self.folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
                films.append(Film(path, data, _site(data), pneumonia))
            self._count += 1
        return films

    def tell(self, films: list[Film], *, share: float = FOLLOWED_UP) -> dict[str, int]:
        """Path → what is told of it, which also goes into the table that medpipe reads."""
        rng = np.random.default_rng([self.seed, self._count])
        told = [film for film in films if rng.random() < share]
        labels = [film.pneumonia for film in told]
        if self.corrupts:
            rng.shuffle(labels)
        known = dict(zip((film.path for film in told), labels, strict=True))
        table = self.folder / "films.csv"
        is_new = not table.exists()
        with table.open("a", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, lineterminator="\n")
            if is_new:
                rows.writerow(("path", "pneumonia"))
            rows.writerows(known.items())
        return known

    def changes_scanner(self) -> None:
        """The second hospital films with another unit."""
        self.setting = replace(self.setting, scanners=(OLD, FAULTY))

    def doubles_prevalence(self) -> None:
        self.setting = replace(self.setting, ill_share=2 * self.setting.ill_share)


def _site(data: bytes) -> str:
    header = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    return str(header.InstitutionName)
