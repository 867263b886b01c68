"""Ingest and preprocess against a plain pydicom and PIL loop: films in, the same arrays out.

The films are phantoms of 2048 × 2048 px with real noise, of 12 and 16 bits: 80 % uncompressed, 15 %
RLE, 5 % JPEG 2000; about half have no display window, and a third are MONOCHROME1. The peer is what
a careful developer writes in one process: pydicom, its LUT functions, PIL, one .npy. It neither
de-identifies nor keeps, hashes, splits or compares anything; medpipe does, with its default
parameters, so the de-identified originals are copied and synced to disk as well. Both find the
files in the page cache; rounds alternate, and the figure is each one's best. Making the films is
not counted.

    python bench/ingest.py [--films 80] [--rounds 3]
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import machine
import numpy as np
import pydicom
import yaml
from PIL import Image
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from medpipe import stages
from medpipe.paths import Layout
from medpipe.split import SIDES
from medpipe.synthetic.anatomy import Anatomy, opacities
from medpipe.synthetic.people import invent
from medpipe.synthetic.radiograph import phantom
from medpipe.synthetic.record import Coding, Visit, dicom_file
from medpipe.synthetic.scanner import SCANNERS, expose
from medpipe.tables.ready import Ready

SIDE_PX = 2048
SIZE_PX = 64
CODINGS: tuple[Coding, ...] = ("explicit",) * 16 + ("rle",) * 3 + ("jpeg2000",)
"""Of twenty films in turn."""
WORKLOAD = "chest_xray"
PERCENTILES = (0.5, 99.5)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--films", type=int, default=80, help="of 8 MiB each [80]")
    arguments.add_argument("--rounds", type=int, default=3, help="the first pays for imports [3]")
    given = arguments.parse_args()
    os.environ["MEDPIPE_PSEUDONYM_KEY"] = "bench " * 8  # the same split in every round
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_films(folder, given.films)
        compare(folder, given.films, rounds=given.rounds)
    print(f"\n{machine.line('numpy', 'opencv-python-headless', 'pillow', 'pydicom', 'pyarrow')}")


def compare(folder: Path, films: int, *, rounds: int) -> None:
    """Print the table."""
    found: dict[str, list[Cost]] = {"ingest": [], "preprocess": [], "plain": []}
    for _ in range(rounds):
        root = project(folder)
        for stage in ("ingest", "preprocess"):
            found[stage].append(cost(lambda: stages.run(stage, WORKLOAD, root=root)))  # noqa: B023
        found["plain"].append(cost(lambda: plain(folder, folder / "plain.npy")))
    ingest, preprocess, peer = (min(costs) for costs in found.values())
    rows = {
        "medpipe, ingest and preprocess": Cost(*map(sum, zip(ingest, preprocess, strict=True))),
        "… ingest alone": ingest,
        "… preprocess alone": preprocess,
        "plain pydicom and PIL, one process": peer,
    }
    print(f"| {films} films of {SIDE_PX}², to {SIZE_PX}² | s | films/s | × plain | CPU ms/film |")
    print("|---|---|---|---|---|")
    for name, row in rows.items():
        print(
            f"| {name} | {row.wall_s:.2f} | {films / row.wall_s:.1f} | "
            f"{peer.wall_s / row.wall_s:.2f} | {1000 * row.cpu_s / films:.0f} |"
        )
    print(f"\nmean difference of the arrays: {difference(folder, root):.2f} of 255 grey levels")


class Cost(NamedTuple):
    """Of one run; the lesser of two is the sooner."""

    wall_s: float
    cpu_s: float


def cost(work: Callable[[], object]) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def plain(folder: Path, target: Path) -> None:
    """The peer: uint8 (N, 1, `SIZE_PX`, `SIZE_PX`), in the order of the table, into `target`."""
    with (folder / "films.csv").open(newline="") as file:
        images = [_plain_image(folder / row["path"]) for row in csv.DictReader(file)]
    np.save(target, np.stack(images)[:, None])


def _plain_image(path: Path) -> np.ndarray:
    dataset = pydicom.dcmread(path)
    values = apply_modality_lut(dataset.pixel_array, dataset)
    if "WindowCenter" in dataset:
        values = apply_voi_lut(values, dataset)
        low, high = 0, 2**dataset.BitsStored - 1
    else:
        low, high = np.percentile(values, PERCENTILES)
    shares = (values.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    grey = (np.clip(shares, 0, 1) * 255).astype(np.uint8)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        grey = 255 - grey
    return np.asarray(Image.fromarray(grey).resize((SIZE_PX, SIZE_PX), Image.Resampling.BOX))


def difference(folder: Path, root: Path) -> float:
    """Between the two results, as mean over all pixels; rows are matched by their likeness."""
    theirs = np.load(folder / "plain.npy").reshape(-1, SIZE_PX**2).astype(np.float32)
    ready = Ready(Layout(root, WORKLOAD).ready)
    ours = np.concatenate([a for side in SIDES for a in ready.arrays(side).values()])
    rows = ours.reshape(-1, SIZE_PX**2).astype(np.float32)
    return float(np.mean([np.abs(theirs - row).mean(axis=1).min() for row in rows]))


def project(folder: Path) -> Path:
    """An empty project whose source is the table in `folder`; what was there before is removed."""
    root = folder / "project"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    section = {
        "source": {"name": "table", "path": str(folder / "films.csv")},
        "split": {"val": 0.2, "test": 0.25},
        "preprocess": {"size_px": SIZE_PX},
    }
    (root / "params.yaml").write_text(yaml.safe_dump({"workloads": {WORKLOAD: section}}))
    return root


def make_films(folder: Path, count: int) -> None:
    """`count` films of as many people into `folder`, and the table ``films.csv``."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for number, data in enumerate(pool.map(film, range(count))):
            (folder / f"{number:04d}.dcm").write_bytes(data)
    with (folder / "films.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "pneumonia"])
        table.writerows([f"{number:04d}.dcm", number % 2] for number in range(count))


def film(number: int) -> bytes:
    """One DICOM file; every other one shows pneumonia."""
    rng = np.random.default_rng(number)
    person = invent(rng, number=number)
    anatomy = Anatomy.draw(rng, sex=person.sex, age_years=50)
    small = phantom(anatomy, opacities(rng) if number % 2 else (), view="PA", rng=rng)
    large = cv2.resize(small, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
    scanner = SCANNERS[int(rng.integers(2))]
    scanner = dataclasses.replace(scanner, bits=tuple(bits for bits in scanner.bits if bits > 8))
    return dicom_file(
        person,
        Visit(person.first_study, 0, "PA", "cough"),
        scanner,
        expose(scanner, large, marker="L", rng=rng),
        coding=CODINGS[number % len(CODINGS)],
        rng=rng,
    )


if __name__ == "__main__":
    main()
