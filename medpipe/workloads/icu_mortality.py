"""Whether a patient of an intensive-care unit dies in hospital, from the first 48 hours there.

Question : death before leaving the hospital, yes or no, asked 48 hours after admission to the unit.
Cohort : stays of at least 48 hours, of patients of 15 years and over. The reference data are of
    Beth Israel Deaconess Medical Center, Boston, 2001 to 2008, from coronary care, cardiac surgery,
    medical and surgical units; care and coding of another hospital or decade differ. The invented
    sample follows simple rules, and proves nothing about people.
Label : the source's record of death in hospital. Whoever died after discharge counts as alive.
Reference data : Silva, Moody, Scott, Celi, Mark, "Predicting In-Hospital Mortality of ICU
    Patients: The PhysioNet/Computing in Cardiology Challenge 2012", Computing in Cardiology 39
    (2012) 245–248; Goldberger et al., Circulation 101 (2000) e215–e220. Open Data Commons
    Attribution License v1.0.
Not for : stays that are shorter, answers before 48 hours have passed, children, limiting or
    withdrawing treatment, rationing beds, comparing hospitals or physicians, or patients unlike
    those of the training data. What was measured says what a physician feared: the model learns
    from that, too, and answers otherwise where other things are measured as a matter of routine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from medpipe.columns import COMMON, Column, Expectation
from medpipe.errors import DataError, ParamsError
from medpipe.explanation import reasons
from medpipe.explanation.blocks import Blocks
from medpipe.nn.params import SeriesModel
from medpipe.records import foreign, hourly, record
from medpipe.records.bedside_fhir import INTENSIVE_CARE
from medpipe.records.moments import moments, scale
from medpipe.records.physiology import HOURS, ROUTINE, VARIABLES
from medpipe.workload import Perturbation, Picture, Reason, Row, Section, Source, State, Workload

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn

_SOURCES = ("sample", "physionet2012", "table")
_YOUNGEST_YEARS = 15
_OLDEST_YEARS = 90
"""Whoever is over 89 counts as 90, as at the door of raw."""
_BLOCK_H = 6
"""Hours that are hidden together, where an answer is explained."""

_AGE = "age at admission; 90 and over arrive as 90"
_UNITS = ("coronary", "cardiac surgery", "medical", "surgical")
NUMBERS = (
    Column("age_years", "float", _AGE, "years", 0, 120, subgroup=True, flagged=True),
    Column("height_cm", "float", "height", "cm", 100, 250, flagged=True),
    Column("weight_kg", "float", "weight at admission", "kg", 20, 400, flagged=True),
)
CLASSES = (
    Column("sex", "category", "sex as registered", values=("F", "M", "O"), subgroup=True),
    Column("unit_type", "category", "kind of intensive-care unit", values=_UNITS, subgroup=True),
)
COMPUTED = (
    Column("measurements", "int", "within hours and ranges", low=0, nullable=False, computed=True),
    Column("record_hash", "str", "equal where all that was measured is", computed=True),
)
LABEL = Column("died_in_hospital", "int", "died in hospital", low=0, high=1, nullable=False)
DESCRIPTORS = (*NUMBERS, *CLASSES)
SERIES = tuple(variable.column for variable in VARIABLES)
_WORDS = {variable.name: variable.words for variable in VARIABLES}


def _places() -> dict[str, slice]:
    """Where each descriptor stands in the network's input."""
    widths = [2] * len(NUMBERS) + [len(column.values) for column in CLASSES]
    ends = list(accumulate(widths))
    return {
        column.name: slice(end - width, end)
        for column, width, end in zip(DESCRIPTORS, widths, ends, strict=True)
    }


_PLACES = _places()
_WIDTH = _PLACES[DESCRIPTORS[-1].name].stop
_MAP = Blocks(SERIES, DESCRIPTORS, _PLACES, hours=HOURS, block_h=_BLOCK_H)


class Encode(Section):
    """From a stay to what the network sees; nothing to choose."""


class Hiding(Section):
    """What is hidden while the network learns, so that it can answer without it."""

    hide: float = Field(0.3, ge=0, lt=1, description="probability of each series, six hours each")
    hide_descriptors: float = Field(0.05, ge=0, lt=1, description="probability of each")


class IcuMortality(Workload):
    """Death in hospital after 48 hours of intensive care."""

    name = "icu_mortality"
    title = "Death in hospital after 48 hours of intensive care"
    intended_use = (
        "One of several views on how ill a patient is, for the physicians who treat them, and for "
        "describing groups of patients like those of the training data."
    )
    not_for = (
        "Deciding on treatment or its end, rationing beds, comparing hospitals, children, stays "
        "shorter than 48 hours, patients or units unlike those of the training data."
    )
    payload = "record"
    example: ClassVar[Row] = {
        **{"age_years": 71, "height_cm": 168, "weight_kg": 74, "sex": "F", "unit_type": "medical"},
        "heart_rate_bpm": [[0.2, 104], [6, 112], [18, 98], [30, 106], [47, 118]],
        "systolic_mmhg": [[0.2, 102], [6, 94], [18, 110], [30, 98], [47, 88]],
        "respiratory_rate_bpm": [[0.2, 22], [18, 24], [47, 28]],
        "temperature_c": [[0.5, 38.4], [18, 38.9], [42, 37.8]],
        "gcs_points": [[0.5, 14], [24, 12], [46, 9]],
        "urine_ml": [[4, 120], [16, 60], [28, 40], [44, 25]],
        **{"creatinine_mg_dl": [[1, 1.4], [45, 2.6]], "sodium_mmol_l": [[1, 137]]},
        **{"urea_nitrogen_mg_dl": [[1, 31], [45, 48]], "platelets_per_nl": [[1, 164], [45, 92]]},
        **{"potassium_mmol_l": [[1, 4.4]], "bicarbonate_mmol_l": [[1, 19], [45, 17]]},
        "glucose_mg_dl": [[1, 168], [45, 141]],
        **{"haematocrit_percent": [[1, 31]], "leucocytes_per_nl": [[1, 16.8], [45, 21.4]]},
    }
    fhir = INTENSIVE_CARE
    columns = (*COMMON, *DESCRIPTORS, *COMPUTED, LABEL, *SERIES)
    label = LABEL.name
    looked_for = "death in hospital"
    objective = "binary"
    duplicate_column = "record_hash"
    encode_params = Encode
    model_params = SeriesModel
    augment_params = Hiding

    # -- data in ---------------------------------------------------------------------------------
    def synthesise(self, folder: Path, *, patients: int, seed: int) -> None:
        from medpipe.synthetic import stays  # delayed: the service has no use for it

        stays.write(folder, patients=patients, seed=seed)

    def source(self, name: str, path: Path, *, options: Mapping[str, Any]) -> Source:
        if name not in _SOURCES:
            raise ParamsError(f"source.name is {name!r}; {self.name} reads {', '.join(_SOURCES)}")
        if options and name != "table":
            raise ParamsError(f"source.options: layout {name} has none, not {', '.join(options)}")
        # Delayed: the service reads no source.
        if name == "physionet2012":
            from medpipe.sources.physionet2012 import PhysioNet2012

            return PhysioNet2012(path)
        from medpipe.sources.long_table import LongTable

        if name == "sample":
            from medpipe.synthetic import stays

            path, options = path / stays.MEASUREMENTS, stays.OPTIONS
        return LongTable(path, options, columns=self.columns, label=LABEL)

    def read(self, payload: bytes | Row, *, limits: Mapping[str, Any]) -> dict[str, Any]:
        if isinstance(payload, bytes):
            from medpipe.sources.physionet2012 import parsed  # delayed: requests are records

            payload = parsed(payload)
        stay = {column.name: payload.get(column.name) for column in (*DESCRIPTORS, *SERIES)}
        found = [hourly.usable(stay[column.name], column) for column in SERIES]
        count = sum(len(pairs) for pairs in found)
        return {
            **stay,
            "measurements": count,
            "record_hash": _digest(stay, found) if count else None,
        }

    def expectations(self) -> tuple[Expectation, ...]:
        return (
            Expectation(
                "height_and_weight_fit",
                ("height_cm", "weight_kg"),
                _fit_together,
                "the body mass index is between 8 and 100 kg/m²",
                severity="warning",
            ),
            Expectation(
                "something_was_measured",
                ("measurements",),
                lambda frame: frame["measurements"] > 0,
                "at least one measurement lies within its hours and range",
                severity="warning",
            ),
        )

    def excluded(self, row: Row) -> str | None:
        if not row["measurements"]:
            return f"nothing was measured in the first {HOURS} hours"
        if row["age_years"] is not None and row["age_years"] < _YOUNGEST_YEARS:
            return f"younger than {_YOUNGEST_YEARS} years"
        return None

    # -- learning --------------------------------------------------------------------------------
    def fit(self, rows: Iterable[Row], params: Any) -> State:
        totals = {column.name: np.zeros(3) for column in (*NUMBERS, *SERIES)}
        classes: dict[str, set[str]] = {column.name: set() for column in CLASSES}
        for row in rows:
            for column in NUMBERS:
                known = _known(row, column)
                totals[column.name] += moments(np.array([] if known is None else [known]))
            for variable in VARIABLES:
                means, counts = hourly.means(row[variable.name], variable.column, hours=HOURS)
                totals[variable.name] += moments(_shaped(means, variable.skewed)[counts > 0])
            for column in CLASSES:
                classes[column.name] |= {row[column.name]} & set(column.values)
        if not any(totals[column.name][0] for column in SERIES):
            raise DataError(
                "no training row has a measurement to fit the encoding on; lower split.val or "
                "split.test, or check the units of the source"
            )
        scales = {name: scale(found) for name, found in totals.items()}
        return {
            "scales": {name: found for name, found in scales.items() if found is not None},
            "classes": {name: sorted(seen) for name, seen in classes.items()},
        }

    def encode(self, row: Row, state: State) -> dict[str, np.ndarray]:
        values = np.zeros((HOURS, len(SERIES)), np.float32)
        measured = np.zeros((HOURS, len(SERIES)), np.uint8)
        for place, variable in enumerate(VARIABLES):
            if variable.name not in state["scales"] or not row[variable.name]:
                continue
            means, counts = hourly.means(row[variable.name], variable.column, hours=HOURS)
            mean, std = state["scales"][variable.name]
            scaled = (_shaped(means, variable.skewed) - mean) / std
            values[:, place] = np.where(counts > 0, scaled, 0)
            measured[:, place] = counts > 0
        # In alphabetical order, which is that of the network's arguments.
        return {"descriptors": _descriptors(row, state), "measured": measured, "values": values}

    def model(self, params: Any, state: State) -> nn.Module:
        from medpipe.nn import build_series
        from medpipe.nn.occlusion import Occlusion  # delayed: torch

        network = build_series(params, variables=len(SERIES), descriptors=_WIDTH, hours=HOURS)
        shown, unknown = _hidden()
        return Occlusion(network, shown=shown, unknown=unknown, shape=(_MAP.parts,))

    def augment(self, params: Any) -> nn.Module | None:
        import torch  # delayed: the service has none

        from medpipe.nn.hide import Hide

        shown, unknown = _hidden()
        share = torch.full((_MAP.parts,), params.hide)
        share[_MAP.cells :] = params.hide_descriptors
        return Hide(shown=shown, unknown=unknown, share=share) if share.any() else None

    def features(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
        stated = inputs["descriptors"].astype(np.float32)
        for place in range(0, 2 * len(NUMBERS), 2):
            stated[stated[:, place + 1] == 0, place] = np.nan
        series = hourly.summaries(inputs["values"], inputs["measured"])
        return np.concatenate([stated, series], axis=1)

    def perturb(self) -> Mapping[str, Perturbation]:
        return {
            "a quarter of the measurements missing": lambda batch, rng: _kept(
                batch, rng.random(batch["measured"].shape) >= 0.25
            ),
            "the last six hours missing": lambda batch, rng: _kept(
                batch, np.arange(HOURS)[:, None] < HOURS - 6
            ),
            "noise of a tenth of the spread": lambda batch, rng: {
                **batch,
                "values": (
                    batch["values"] + batch["measured"] * rng.normal(0, 0.1, batch["values"].shape)
                ).astype(np.float32),
            },
            "age, sex and unit not known": lambda batch, rng: {
                **batch,
                "descriptors": np.zeros_like(batch["descriptors"]),
            },
        }

    def foreign(self) -> Mapping[str, Perturbation]:
        return foreign.of_series(values="values", measured="measured")

    # -- answering -------------------------------------------------------------------------------
    def cautions(self, row: Row, state: State) -> tuple[str, ...]:
        lacking = record.missing(row, DESCRIPTORS) + [
            " or ".join(_WORDS[name] for name in either)
            for either in ROUTINE
            if not any(row[name] for name in either)
        ]
        ignored = [
            variable.words
            for variable in VARIABLES
            if row[variable.name] and variable.name not in state["scales"]
        ]
        ignored += [
            column.meaning
            for column in CLASSES
            if row[column.name] is not None
            and row[column.name] not in state["classes"][column.name]
        ]
        until = max((pair[0] for c in SERIES for pair in row[c.name] or ()), default=0)
        said = []
        if lacking:
            said.append(f"not measured or not sent: {', '.join(lacking)}")
        if ignored:
            said.append(f"never seen in training and left aside: {', '.join(ignored)}")
        if until < HOURS - _BLOCK_H:
            said.append(f"nothing was measured after hour {until:.0f} of {HOURS}")
        return tuple(said)

    def reasons(self, row: Row, explanation: np.ndarray) -> tuple[Reason, ...]:
        return reasons.strongest(_MAP.reasons(row, explanation))

    def draw(self, row: Row, explanation: np.ndarray) -> Picture:
        return _MAP.picture(row, explanation)


def _digest(stay: Row, found: list[np.ndarray]) -> str:
    """Of all that is known of a stay but who and when it was, in whatever order it came."""
    digest = hashlib.sha256()
    for pairs in found:
        digest.update(len(pairs).to_bytes(4, "little") + pairs.tobytes())
    return digest.hexdigest()[:32]


def _fit_together(frame: pd.DataFrame) -> pd.Series:
    index = frame["weight_kg"] / (frame["height_cm"] / 100) ** 2
    return index.isna() | index.between(8, 100)


def _known(row: Row, column: Column) -> float | None:
    """A number of `row` within the column's range; None where it is not, or not known."""
    value = row[column.name]
    if value is None or not record.inside(value, column):
        return None
    return float(min(value, _OLDEST_YEARS) if column.name == "age_years" else value)


def _shaped(values: np.ndarray, skewed: bool) -> np.ndarray:
    return np.log1p(values) if skewed else values


def _descriptors(row: Row, state: State) -> np.ndarray:
    """Value and whether it is known, for each number; then a place for each class: (D,) float32."""
    described = np.zeros(_WIDTH, np.float32)
    for column in NUMBERS:
        value = _known(row, column)
        if value is not None and column.name in state["scales"]:
            mean, std = state["scales"][column.name]
            described[_PLACES[column.name]] = (value - mean) / std, 1
    for column in CLASSES:
        if row[column.name] in state["classes"][column.name]:
            first = _PLACES[column.name].start
            described[first + column.values.index(row[column.name])] = 1
    return described


def _hidden() -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """For `Occlusion` and `Hide`, of descriptors, measured and values."""
    import torch  # delayed: the service has none

    descriptors, series = (torch.from_numpy(shown) for shown in _MAP.shown())
    zero = torch.tensor(0.0)
    return (descriptors, series, series), (zero, torch.tensor(0, dtype=torch.uint8), zero)


def _kept(batch: dict[str, np.ndarray], kept: np.ndarray) -> dict[str, np.ndarray]:
    """`batch` without the measurements where `kept` is False."""
    measured = batch["measured"] * kept.astype(np.uint8)
    return {**batch, "measured": measured, "values": batch["values"] * measured}


WORKLOAD = IcuMortality()
