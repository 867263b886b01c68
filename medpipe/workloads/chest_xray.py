"""Whether a frontal chest radiograph shows pneumonia.

Question : pneumonia, yes or no, on one frontal (PA or AP) chest radiograph.
Cohort : whoever the source holds. The reference data are children of one to five years from
    Guangzhou Women and Children's Medical Center, filmed in routine care; a model of them knows
    nothing of adults. The invented sample is of adults, and proves nothing about people.
Label : the source's. In the reference data two physicians graded each film, and a third checked
    the test set; a film was graded, not a patient followed up. In the challenge's data (RSNA) the
    label is an opacity that radiologists marked.
Reference data : Kermany, Zhang, Goldbaum, "Labeled Optical Coherence Tomography (OCT) and Chest
    X-Ray Images for Classification", Mendeley Data, doi:10.17632/rscbjbr9sj, CC BY 4.0; published
    with Kermany et al., Cell 172 (2018) 1122–1131, doi:10.1016/j.cell.2018.02.010.
Not for : lateral films, portable films of the intensive-care unit with lines and tubes unless such
    were trained on, any other finding, ruling pneumonia out, deciding on antibiotics, triage
    without a radiologist, or patients unlike those of the training data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
from pydantic import Field

from medpipe.columns import COMMON, Column, Expectation
from medpipe.errors import DataError, ParamsError, UnreadableError
from medpipe.io import dicom, image
from medpipe.io.terminology import Code
from medpipe.nn.params import AugmentParams, ImageModel
from medpipe.workload import (
    Identity,
    Perturbation,
    Picture,
    Pseudonymise,
    Row,
    Section,
    Source,
    State,
    Workload,
)

if TYPE_CHECKING:
    from torch import nn

_SOURCES = ("sample", "kermany", "rsna", "table")
_FRONTAL = ("PA", "AP")
_HEAT_OPACITY = 0.6
_EXAMPLE_SEED = 7


def _level(name: str, meaning: str, high: int) -> Column:
    """Not watched: of every upload the pixels that the network sees are."""
    return Column(name, "float", meaning, "grey level", 0, high, nullable=False, watched=False)


COVARIATES = (
    Column("sex", "category", "sex as registered", values=("F", "M", "O"), subgroup=True),
    Column(
        "age_years",
        "float",
        "age when filmed, in completed years (months below 2); 90 and over arrive as 90",
        unit="years",
        low=0,
        high=120,
        subgroup=True,
    ),
    Column(
        "view", "category", "projection", values=("PA", "AP", "LATERAL", "OTHER"), subgroup=True
    ),
    Column(
        "laterality",
        "category",
        "side filmed: left, right, both, unpaired",
        values=("L", "R", "B", "U"),
    ),
)
FACTS = (
    Column("height_px", "int", "rows of the file's image", "px", 1, 100_000, nullable=False),
    Column("width_px", "int", "columns of the file's image", "px", 1, 100_000, nullable=False),
    Column("bits_stored", "int", "bits of a stored grey level", "bit", 1, 32, nullable=False),
    Column("photometric", "category", "polarity in DICOM", values=("MONOCHROME1", "MONOCHROME2")),
    Column("transfer_syntax", "str", "coding in DICOM, by the standard's name"),
    Column(
        "manufacturer",
        "category",
        "maker of the unit, if it is a known one",
        values=(*dicom.MANUFACTURERS, "other"),
    ),
    _level("mean_intensity", "mean of the working image", 255),
    _level("std_intensity", "spread of the working image", 128),
    Column("pixel_hash", "str", "equal where the working image is", nullable=False),
    Column("difference_hash", "str", "64 bits, close where images look alike", nullable=False),
)
LABEL = Column("pneumonia", "int", "the source says: pneumonia", low=0, high=1, nullable=False)
CODES = {"pneumonia": Code("233604007", "SCT", "Pneumonia")}
CONTENT = (
    Column("image", "bytes", "PNG of the working image, 8-bit grey", nullable=False),
    Column("original", "bytes", "the de-identified DICOM file"),
)


class Encode(Section):
    """From a working image to what the network sees."""

    size_px: int = Field(64, ge=32, le=1024, description="side of the square that is seen")
    contrast: Literal["none", "equalise"] = Field(
        "none", description="equalise: spread the grey levels of each image evenly"
    )


class ChestXray(Workload):
    """Pneumonia on a frontal chest radiograph."""

    name = "chest_xray"
    title = "Pneumonia on a frontal chest radiograph"
    intended_use = (
        "A second opinion beside a radiologist's or physician's own reading of a frontal chest "
        "radiograph, for patients like those of the training data."
    )
    not_for = (
        "Reading without a physician, ruling pneumonia out, deciding on treatment, lateral films, "
        "other findings, patients or devices unlike those of the training data."
    )
    columns = (*COMMON, *COVARIATES, *FACTS, LABEL, *CONTENT)
    label = LABEL.name
    looked_for = "pneumonia"
    codes = CODES
    procedure = Code("399208008", "SCT", "Plain chest X-ray")
    objective = "binary"
    duplicate_column = "pixel_hash"
    near_duplicate_column = "difference_hash"
    encode_params = Encode
    model_params = ImageModel
    augment_params = AugmentParams

    # -- data in ---------------------------------------------------------------------------------
    def synthesise(self, folder: Path, *, patients: int, seed: int) -> None:
        from medpipe.synthetic import sample  # delayed: the service has no use for it

        sample.write(folder, patients=patients, seed=seed)

    def source(self, name: str, path: Path, *, options: Mapping[str, Any]) -> Source:
        if name not in _SOURCES:
            raise ParamsError(f"source.name is {name!r}; {self.name} reads {', '.join(_SOURCES)}")
        if options and name in ("sample", "kermany"):
            raise ParamsError(f"source.options: layout {name} has none, not {', '.join(options)}")
        # Delayed: a table brings pandas and pyarrow, which the service image lacks.
        if name == "sample":
            from medpipe.sources.sample import Sample

            return Sample(path)
        if name == "kermany":
            from medpipe.sources.kermany import Kermany

            return Kermany(path)
        if name == "rsna":
            from medpipe.sources.rsna import Rsna

            return Rsna(path, options)
        from medpipe.sources.table import Table

        return Table(path, options, label=LABEL, columns=self.columns)

    def example_file(self) -> Picture | None:
        return Picture("image/png", _example_film())

    def read(self, payload: bytes | Row, *, limits: Mapping[str, Any]) -> dict[str, Any]:
        pixels, known = _film(payload, limits)
        mean, std = cv2.meanStdDev(pixels)
        return {
            **dict.fromkeys(column.name for column in (*COVARIATES, *FACTS)),
            **known,
            "mean_intensity": float(mean[0, 0]),
            "std_intensity": float(std[0, 0]),
            "pixel_hash": image.pixel_hash(pixels),
            "difference_hash": image.difference_hash(pixels),
            "image": image.encode_png(pixels),
        }

    def identity(self, payload: bytes | Row) -> Identity:
        data = _bytes(payload)
        return dicom.identity(data) if image.kind(data) == "dicom" else Identity()

    def original(self, payload: bytes | Row, *, pseudonymise: Pseudonymise) -> bytes | None:
        from medpipe.deidentify.dicom import deidentify  # delayed: not in the service image

        data = _bytes(payload)
        return deidentify(data, pseudonymise) if image.kind(data) == "dicom" else None

    def expectations(self) -> tuple[Expectation, ...]:
        return (
            Expectation(
                "image_is_not_a_strip",
                ("height_px", "width_px"),
                lambda frame: (frame["height_px"] / frame["width_px"]).between(1 / 3, 3),
                "a chest radiograph is at most three times as long as wide, or as wide as long",
                severity="warning",
            ),
            Expectation(
                "coding_and_polarity_come_together",
                ("photometric", "transfer_syntax"),
                lambda frame: frame["photometric"].isna() == frame["transfer_syntax"].isna(),
                "a DICOM file states both its coding and its polarity, other files neither",
            ),
        )

    # -- learning --------------------------------------------------------------------------------
    def fit(self, rows: Iterable[Row], params: Any) -> State:
        state = {"size_px": params.size_px, "contrast": params.contrast}
        count, total, squares = 0, 0.0, 0.0
        for row in rows:
            pixels = self.encode(row, state)["image"].astype(np.float64)
            count += pixels.size
            total += float(pixels.sum())
            squares += float(np.square(pixels).sum())
        if not count:
            raise DataError(
                "no training rows to fit the encoding on; lower split.val or split.test"
            )
        mean = total / count
        return {**state, "mean": mean, "std": max(squares / count - mean**2, 0.0) ** 0.5}

    def encode(self, row: Row, state: State) -> dict[str, np.ndarray]:
        return {"image": _seen(image.decode_png(row["image"]), state)}

    def model(self, params: Any, state: State) -> nn.Module:
        from medpipe.nn import build

        return build(
            params,
            channels=1,
            outputs=1,
            size_px=state["size_px"],
            mean=state["mean"],
            std=state["std"],
        )

    def augment(self, params: Any) -> nn.Module | None:
        from medpipe.nn.augment import RadiographAugment  # delayed: torch

        return RadiographAugment(params)

    def perturb(self) -> Mapping[str, Perturbation]:
        return {
            "brighter by a tenth": lambda batch, rng: _changed(batch, lambda x: x + 25.5),
            "darker by a tenth": lambda batch, rng: _changed(batch, lambda x: x - 25.5),
            "a quarter less contrast": lambda batch, rng: _changed(
                batch, lambda x: 0.75 * (x - 128) + 128
            ),
            "noise of 4 %": lambda batch, rng: _changed(
                batch, lambda x: x + rng.normal(0, 10.2, x.shape)
            ),
            "blurred by 1 px": lambda batch, rng: _changed(batch, _blurred),
            "shifted by a twentieth": lambda batch, rng: _changed(
                batch, lambda x: np.roll(x, round(x.shape[-1] / 20), axis=-1)
            ),
        }

    def foreign(self) -> Mapping[str, Perturbation]:
        from medpipe.synthetic import foreign  # delayed: the service has no use for it

        return {name: _replaced(change) for name, change in foreign.CHANGES.items()}

    # -- answering -------------------------------------------------------------------------------
    def request(
        self, payload: bytes | Row, state: State, *, limits: Mapping[str, Any]
    ) -> tuple[Row, dict[str, np.ndarray]]:
        # Without hashes and without the way through a PNG: half the work of an answer.
        pixels, known = _film(payload, limits)
        facts = {**dict.fromkeys(column.name for column in (*COVARIATES, *FACTS)), **known}
        return facts, {"image": _seen(pixels, state)}

    def cautions(self, row: Row, state: State) -> tuple[str, ...]:
        said = []
        if row["view"] is not None and row["view"] not in _FRONTAL:
            said.append(f"the view is {row['view']}; the model is for frontal films (PA, AP)")
        if max(row["height_px"], row["width_px"]) < state["size_px"]:
            said.append(
                f"the image, {row['width_px']} × {row['height_px']} px, is smaller than the "
                f"{state['size_px']} px that the model sees"
            )
        return tuple(said)

    def draw(self, row: Row, explanation: np.ndarray) -> Picture:
        pixels = image.decode_png(row["image"])
        height, width = pixels.shape
        side = max(height, width)
        heat = cv2.resize(_shares(explanation), (side, side), interpolation=cv2.INTER_CUBIC)
        top, left = (side - height) // 2, (side - width) // 2
        heat = np.clip(heat[top : top + height, left : left + width], 0, 1)
        colours = cv2.applyColorMap(image.to_grey(heat), cv2.COLORMAP_INFERNO)
        opacity = (_HEAT_OPACITY * heat)[..., None]
        film = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
        drawn = ((1 - opacity) * film + opacity * colours + 0.5).astype(np.uint8)
        return Picture("image/png", image.encode_png(drawn), plain=row["image"])


@cache
def _example_film() -> bytes:
    from medpipe.synthetic import sample  # delayed: needed only when somebody asks for it

    return image.encode_png(sample.film(seed=_EXAMPLE_SEED))


def _bytes(payload: bytes | Row) -> bytes:
    if not isinstance(payload, bytes):
        raise TypeError("chest_xray reads files: the payload must be the bytes of one")
    return payload


def _film(payload: bytes | Row, limits: Mapping[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """The working image (H, W) of a file, and what its header says."""
    data = _bytes(payload)
    reader = dicom.read if image.kind(data) == "dicom" else image.read
    pixels, known = reader(data, limits=limits)
    _check_shown(pixels, known.pop("body_part", None))
    return pixels, known


def _check_shown(pixels: np.ndarray, body_part: str | None) -> None:
    """Refuse what shows nothing, or by its own header no chest. Raises UnreadableError."""
    if body_part not in (None, "CHEST"):
        raise UnreadableError(
            f"the file says it shows {body_part}; send a chest radiograph", fault="content"
        )
    if pixels.min() == pixels.max():
        raise UnreadableError(
            "every pixel has the same grey level: nothing is shown", fault="content"
        )


def _seen(pixels: np.ndarray, state: State) -> np.ndarray:
    """What the network sees of a working image (H, W): uint8 (1, size, size), edges black."""
    size = int(state["size_px"])
    height, width = _fitted(pixels.shape, size)
    seen = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    if state["contrast"] == "equalise":
        seen = cv2.equalizeHist(seen)
    square = np.zeros((1, size, size), np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    square[0, top : top + height, left : left + width] = seen
    return square


def _fitted(shape: tuple[int, ...], size: int) -> tuple[int, int]:
    """Height and width, px, of an image of `shape` made to fit a square of `size` px."""
    scale = size / max(shape)  # the whole image stays visible
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def _changed(
    batch: dict[str, np.ndarray], change: Callable[[np.ndarray], np.ndarray]
) -> dict[str, np.ndarray]:
    changed = change(batch["image"].astype(np.float32))
    return {**batch, "image": np.clip(np.rint(changed), 0, 255).astype(np.uint8)}


def _replaced(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Perturbation:
    return lambda batch, rng: {**batch, "image": change(batch["image"], rng)}


def _blurred(images: np.ndarray) -> np.ndarray:
    """`images` (B, 1, S, S) float32, each with a Gaussian of 1 px."""
    return np.stack([cv2.GaussianBlur(image[0], (0, 0), 1)[None] for image in images])


def _shares(explanation: np.ndarray) -> np.ndarray:
    """`explanation` (h, w) as float32 shares of its maximum; all 0 where nothing is above 0."""
    evidence = np.nan_to_num(np.asarray(explanation, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    evidence = np.maximum(evidence, 0)
    highest = float(evidence.max())
    return np.asarray(evidence / highest) if highest > 0 else evidence


WORKLOAD = ChestXray()
