"""Radiographs of invented patients as a hospital hands them over: the layout of source `sample`.

``<folder>/dicom/<nnn>/<name>.dcm`` and, beside it, ``<folder>/labels.csv`` with the columns
``path`` (relative to the folder) and ``pneumonia`` (0 or 1). On purpose one file in a hundred is
broken and two in a hundred are copies of another of the same patient: ingest must quarantine the
first, and the receipt must see the second.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np

from medpipe.synthetic.anatomy import Anatomy, opacities
from medpipe.synthetic.people import Person, invent
from medpipe.synthetic.radiograph import View, phantom
from medpipe.synthetic.record import Coding, Visit, dicom_file
from medpipe.synthetic.scanner import SCANNERS, Scanner, expose

LABELS = "labels.csv"
COLUMNS = ("path", "pneumonia")
BROKEN_SHARE = 0.01
DUPLICATE_SHARE = 0.02
_PATIENTS_A_FOLDER = 50
_RECOVERED_SHARE = 0.15  # films of an ill patient that show nothing, or nothing any more
_IMAGES = ((1, 2, 3), (0.45, 0.35, 0.20))
_AP_SHARE = {0: 0.25, 1: 0.4}  # the ill are more often filmed lying down
_CODINGS: tuple[tuple[Coding, ...], tuple[float, ...]] = (
    ("explicit", "implicit", "rle", "jpeg2000"),
    (0.69, 0.18, 0.08, 0.05),
)
_COMPLAINTS = ("cough", "fever", "breathless", "routine", "chest pain")
_NOT_DICOM = b"Export failed: association rejected by peer. Please send this study again.\n"


@dataclass(frozen=True)
class Setting:
    """Who comes, and which units of two hospitals they are filmed on.

    Parameters
    ----------
    ill_share : of patients who have pneumonia on one film at least, or had
    """

    ill_share: float = 0.45
    scanners: tuple[Scanner, Scanner] = SCANNERS


def write(folder: Path, *, patients: int, seed: int) -> None:
    """`patients` invented patients with one to three radiographs each; one seed, the same bytes.

    Whole or not there is the business of `sources.sample.ensure`, which gives a new folder.
    """
    labels = []
    for number in range(patients):
        for path, data, pneumonia in files_of(number, seed=seed):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            labels.append((path, pneumonia))
    with (folder / LABELS).open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        rows.writerows(labels)


def film(*, seed: int) -> np.ndarray:
    """A frontal radiograph of an invented patient with pneumonia, uint8 (H, W), bright is dense."""
    rng = np.random.default_rng(seed)
    person = invent(rng, number=0)
    anatomy = Anatomy.draw(rng, sex=person.sex, age_years=person.age_years(person.first_study))
    attenuation = phantom(anatomy, opacities(rng), view="PA", rng=rng)
    exposure = expose(SCANNERS[0], attenuation, marker="L", rng=rng)
    shares = exposure.pixels.astype(np.float32) / (2**exposure.bits - 1)
    is_inverse = exposure.photometric == "MONOCHROME1"
    grey: np.ndarray = np.rint(255 * (1 - shares if is_inverse else shares)).astype(np.uint8)
    return grey


def files_of(
    number: int, *, seed: int, setting: Setting = Setting()
) -> Iterator[tuple[str, bytes, int]]:
    """Path, content and label of every file of one patient."""
    # A stream for each patient: the first hundred are the same however many there are.
    rng = np.random.default_rng([seed, number])
    person = invent(rng, number=number)
    stem = f"dicom/{number // _PATIENTS_A_FOLDER:03d}/{person.family}_{person.given}_{number:05d}"
    for image, (data, pneumonia) in enumerate(_films(rng, person, setting)):
        yield f"{stem}_{image}.dcm", data, pneumonia
        if rng.random() < DUPLICATE_SHARE:
            yield f"{stem}_{image}_again.dcm", data, pneumonia
        if rng.random() < BROKEN_SHARE:
            yield f"{stem}_{image}_resent.dcm", _broken(data, rng), pneumonia


def _films(
    rng: np.random.Generator, person: Person, setting: Setting
) -> Iterator[tuple[bytes, int]]:
    """Files and labels of one patient's radiographs, days apart, mostly on the same unit."""
    anatomy = Anatomy.draw(rng, sex=person.sex, age_years=person.age_years(person.first_study))
    home = int(rng.integers(len(SCANNERS)))
    is_ill = rng.random() < setting.ill_share
    day = person.first_study
    for image in range(int(rng.choice(_IMAGES[0], p=_IMAGES[1]))):
        pneumonia = int(is_ill and rng.random() >= _RECOVERED_SHARE)
        view: View = "AP" if rng.random() < _AP_SHARE[pneumonia] else "PA"
        film = phantom(anatomy, opacities(rng) if pneumonia else (), view=view, rng=rng)
        scanner = setting.scanners[home if rng.random() < 0.9 else 1 - home]
        exposure = expose(scanner, film, marker="LR"[int(rng.integers(2))], rng=rng)
        visit = Visit(day, image, view, str(rng.choice(_COMPLAINTS)))
        coding = _CODINGS[0][int(rng.choice(len(_CODINGS[0]), p=_CODINGS[1]))]
        yield dicom_file(person, visit, scanner, exposure, coding=coding, rng=rng), pneumonia
        day += timedelta(days=int(rng.integers(1, 30)))


def _broken(data: bytes, rng: np.random.Generator) -> bytes:
    """`data` as it arrives when something went wrong: cut off, empty, not DICOM, without pixels."""
    pixels_at = data.rindex(b"\xe0\x7f\x10\x00")  # the tag of Pixel Data, little endian
    kinds = (data[: int(len(data) * rng.uniform(0.3, 0.9))], b"", _NOT_DICOM, data[:pixels_at])
    return kinds[int(rng.integers(len(kinds)))]
