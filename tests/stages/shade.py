"""A tiny question for the tests of validate and preprocess: is a 32×32 picture bright?"""

import hashlib
from pathlib import Path

import numpy as np
from pydantic import Field

from medpipe import config
from medpipe.columns import COMMON, Column, Expectation
from medpipe.paths import Layout
from medpipe.tables.raw import Raw
from medpipe.workload import Section, Workload


class Encode(Section):
    scale: int = Field(1, ge=1)


class Shade(Workload):
    """Pictures of random blocks; label 1 where the mean is above 128."""

    name = "shade"
    title = "Brightness of a picture"
    intended_use = not_for = "tests"
    columns = (
        *COMMON,
        Column("age_years", "float", "age", unit="years", low=0, high=120),
        Column("sex", "category", "sex", values=("F", "M"), subgroup=True),
        Column("pixel_hash", "str", "digest of the pixels"),
        Column("likeness", "str", "difference hash"),
        Column("is_bright", "int", "label", low=0, high=1),
        Column("image", "bytes", "32×32 grey values", nullable=False),
    )
    label = "is_bright"
    objective = "binary"
    duplicate_column = "pixel_hash"
    near_duplicate_column = "likeness"
    encode_params = Encode
    model_params = Section

    def expectations(self):
        young = "only adults are called M"
        return (
            Expectation(
                "men_are_adults",
                ("sex", "age_years"),
                lambda f: (f["sex"] != "M") | ~(f["age_years"] < 18),
                young,
                "warning",
            ),
        )

    def fit(self, rows, params):
        seen = [(row["example"], np.frombuffer(row["image"], np.uint8).mean()) for row in rows]
        return {"examples": [e for e, _ in seen], "mean": float(np.mean([m for _, m in seen]))}

    def encode(self, row, state):
        return {"image": np.frombuffer(row["image"], np.uint8).reshape(1, 32, 32)}

    def synthesise(self, folder, *, patients, seed): ...
    def source(self, name, path, *, options): ...
    def read(self, payload, *, limits): ...
    def model(self, params, state): ...
    def draw(self, row, explanation): ...


class Marks(Shade):
    """Whether it is bright, and a second label that is not known of every picture."""

    columns = (*Shade.columns, Column("is_torn", "int", "another label", low=0, high=1))
    labels = ("is_bright", "is_torn")
    objective = "multilabel"


def picture(seed: int, bright: bool) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 120, (8, 8))
    return (np.kron(coarse, np.ones((4, 4), int)) + 130 * bright).astype(np.uint8)


def row(number: int, *, pixels: np.ndarray | None = None, **changes):
    """One row of raw: two examples for each patient, one of each class."""
    pixels = picture(number, bright=number % 2 == 0) if pixels is None else pixels
    blocks = pixels.reshape(8, 4, 8, 4).mean((1, 3))
    bits = np.roll(blocks, -1, axis=1) > blocks
    return {
        "example": f"e{number:04d}",
        "group": f"p{number // 2:04d}",
        "site": "north" if number % 10 < 8 else "south",
        "age_years": float(20 + number % 60),
        "sex": "FM"[number // 2 % 2],
        "pixel_hash": hashlib.sha256(pixels.tobytes()).hexdigest(),
        "likeness": np.packbits(bits.ravel()).tobytes().hex(),
        "is_bright": 1 - number % 2,
        "image": pixels.tobytes(),
    } | changes


def project(root: Path, rows, workload: Workload | None = None, **sections):
    """Workload, params and layout of a project whose raw holds `rows`."""
    workload, layout = workload or Shade(), Layout(root, "shade")
    Raw(layout.raw, workload.columns).append(rows)
    return workload, config.parse(sections, workload), layout
