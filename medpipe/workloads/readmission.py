"""Whether a patient is readmitted within 30 days of leaving hospital.

Question : readmission for any reason within 30 days of discharge, yes or no, from what is known
    of the stay on the day of discharge.
Cohort : whoever the source holds. The reference data are encounters of diabetic patients in 130 US
    hospitals, 1999 to 2008: 1 to 14 days long, with laboratory tests and drugs given. Encounters
    that ended in death or hospice care are no part of the question: they are counted, and left out.
    Age is known in bands of ten years; all people of 90 and over are one class.
Label : the source's. In the reference data an inpatient encounter of the same patient in the same
    hospitals within 30 days; readmissions elsewhere and deaths after discharge are not known.
Reference data : Strack et al., "Impact of HbA1c Measurement on Hospital Readmission Rates: Analysis
    of 70,000 Clinical Database Patient Records", BioMed Research International 2014:781670,
    doi:10.1155/2014/781670; UCI Machine Learning Repository, doi:10.24432/C5230J, CC BY 4.0.
    Of its columns weight (97 % missing) and medical specialty (49 %) are not used, nor are two
    drugs that nobody was given (examide, citoglipton).
Compared, not used : race and payer. They say how people were treated rather than how ill they are;
    a model that sees them can pass old unfairness on. The report compares groups by them.
Not for : patients without diabetes unless such were trained on, planned readmissions, children,
    deciding whom to discharge or whom to refuse care, payment or penalties of hospitals.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from medpipe.columns import COMMON, Column, Expectation
from medpipe.errors import DataError, ParamsError, UnreadableError
from medpipe.explanation import reasons
from medpipe.io import icd9
from medpipe.nn.params import HideParams, TableModel
from medpipe.records import encounter, foreign, record
from medpipe.records.encounter import ANTIDIABETICS
from medpipe.records.encounter_fhir import DISCHARGE
from medpipe.workload import Perturbation, Picture, Reason, Row, Section, Source, State, Workload

if TYPE_CHECKING:
    from torch import Tensor, nn

_SOURCES = ("sample", "diabetes130", "table")
_GIVEN = ("Steady", "Up", "Down")
_DIAGNOSES = ("diagnosis_1", "diagnosis_2", "diagnosis_3")


def _count(name: str, meaning: str, high: int) -> Column:
    return Column(name, "int", meaning, low=0, high=high, flagged=True)


def _class(name: str, meaning: str, values: tuple[str, ...], *, subgroup: bool = False) -> Column:
    return Column(name, "category", meaning, values=values, subgroup=subgroup)


def _aside(name: str, meaning: str, values: tuple[str, ...]) -> Column:
    column = _class(name, f"{meaning}; only compared, not an input", values, subgroup=True)
    return replace(column, compared=True)


PATIENT = (
    # Written as published: a spreadsheet would take 10-19 for a day in October.
    _class(
        "age_band",
        "age in years; [90-100) is everybody of 90 and over",
        tuple(f"[{low}-{low + 10})" for low in range(0, 100, 10)),
        subgroup=True,
    ),
    _class("sex", "sex as registered", ("F", "M"), subgroup=True),
    _aside("race", "race as registered", encounter.RACES),
)
STAY = (
    _aside("payer", "who pays", encounter.PAYERS),
    _class("admission_type", "why admitted", encounter.words(encounter.ADMISSION_TYPES)),
    _class("admission_source", "where from", encounter.words(encounter.ADMISSION_SOURCES)),
    _class("discharge_disposition", "where to", encounter.words(encounter.DISPOSITIONS)),
    Column("stay_days", "int", "from admission to discharge", "d", low=0, high=365, flagged=True),
    _count("laboratory_procedures", "laboratory tests in the stay", 500),
    _count("procedures", "other procedures in the stay", 100),
    _count("medications", "different drugs given in the stay", 200),
    _count("prior_outpatient_visits", "in the year before", 366),
    _count("prior_emergency_visits", "in the year before", 366),
    _count("prior_inpatient_stays", "in the year before", 100),
    _count("diagnoses", "diagnoses entered", 100),
    *(Column(name, "str", "ICD-9-CM code, the first is the main one") for name in _DIAGNOSES),
    _class("glucose", "serum maximum, mg/dL; not stated: not measured", ("Norm", ">200", ">300")),
    _class("a1c", "haemoglobin A1c, %; not stated: not measured", ("Norm", ">7", ">8")),
    *(_class(drug, "given, and dose changed", ("No", *_GIVEN)) for drug in ANTIDIABETICS),
    Column("drug_change", "bool", "a drug against diabetes was changed"),
    Column("diabetes_drug", "bool", "a drug against diabetes was given"),
)
COMPUTED = tuple(
    Column(f"{name}_group", "category", f"of {name}", values=icd9.GROUPS, computed=True)
    for name in _DIAGNOSES
)
LABEL = Column("readmitted_30d", "int", "readmitted within 30 days", low=0, high=1, nullable=False)
_EXCLUDED = {
    **dict.fromkeys(("died", "died in hospice care"), "the patient died"),
    **dict.fromkeys(("hospice at home", "hospice facility"), "discharged to hospice care"),
}
_FIELDS = (*PATIENT, *STAY)
_INPUTS = tuple(column for column in _FIELDS if not column.compared)
_NUMBERS = tuple(column for column in _INPUTS if column.dtype in ("int", "bool"))
_CODED = (
    *((c.name, c.name, c.name) for c in _INPUTS if c.dtype == "category"),
    *((f"{name}_{kind}", name, kind) for kind in ("group", "category") for name in _DIAGNOSES),
)
"""What has a category code, the field that it is of, and its vocabulary."""
_FIELD = {name: field for name, field, _ in _CODED}
_VOCABULARY = {name: vocabulary for name, _, vocabulary in _CODED}
_SKEWED = ("prior_outpatient_visits", "prior_emergency_visits", "prior_inpatient_stays")


class Encode(Section):
    """From a record to what the network sees."""

    rare: int = Field(
        10, ge=1, description="categories in fewer training encounters count as not known"
    )


class Readmission(Workload):
    """Readmission within 30 days of discharge."""

    name = "readmission"
    title = "Readmission within 30 days of discharge"
    intended_use = (
        "Pointing out, on the day of discharge, patients like those of the training data for whom "
        "a nurse's call or an early appointment may be worth while."
    )
    not_for = (
        "Deciding whom to discharge or to refuse care, planned readmissions, children, payment or "
        "penalties, patients or hospitals unlike those of the training data."
    )
    payload = "record"
    example: ClassVar[Row] = {
        **{"age_band": "[70-80)", "sex": "F", "race": "Caucasian", "payer": "MC"},
        **{"admission_type": "emergency", "admission_source": "emergency room"},
        **{"discharge_disposition": "skilled nursing facility", "stay_days": 6},
        **{"laboratory_procedures": 52, "procedures": 1, "medications": 18, "diagnoses": 9},
        **{"prior_outpatient_visits": 0, "prior_emergency_visits": 1, "prior_inpatient_stays": 2},
        **{"diagnosis_1": "428.0", "diagnosis_2": "250.02", "diagnosis_3": "584.9"},
        **{"a1c": ">8", "glucose": None, **dict.fromkeys(ANTIDIABETICS, "No"), "insulin": "Up"},
        **{"drug_change": True, "diabetes_drug": True},
    }
    fhir = DISCHARGE
    columns = (*COMMON, *_FIELDS, *COMPUTED, LABEL)
    label = LABEL.name
    looked_for = "readmission within 30 days"
    objective = "binary"
    encode_params = Encode
    model_params = TableModel
    augment_params = HideParams

    # -- data in ---------------------------------------------------------------------------------
    def synthesise(self, folder: Path, *, patients: int, seed: int) -> None:
        from medpipe.synthetic import encounters  # delayed: the service has no use for it

        encounters.write(folder, _FIELDS, label=LABEL, patients=patients, seed=seed)

    def source(self, name: str, path: Path, *, options: Mapping[str, Any]) -> Source:
        if name not in _SOURCES:
            raise ParamsError(f"source.name is {name!r}; {self.name} reads {', '.join(_SOURCES)}")
        if options and name != "table":
            raise ParamsError(f"source.options: layout {name} has none, not {', '.join(options)}")
        # Delayed: not in the service image.
        if name == "diabetes130":
            from medpipe.sources.diabetes130 import diabetes130

            return diabetes130(path, columns=_FIELDS, label=LABEL)
        from medpipe.sources.records import Records

        if name == "sample":
            from medpipe.synthetic import encounters

            path, options = path / encounters.FILE, encounters.OPTIONS
        return Records(path, options, columns=_FIELDS, label=LABEL)

    def read(self, payload: bytes | Row, *, limits: Mapping[str, Any]) -> dict[str, Any]:
        if isinstance(payload, bytes):
            raise TypeError("readmission reads records: the payload must be a row")
        row: dict[str, Any] = {column.name: payload.get(column.name) for column in _FIELDS}
        if all(row[column.name] is None for column in _INPUTS):
            raise UnreadableError("nothing is stated of the encounter", fault="content")
        for name in _DIAGNOSES:
            try:
                row[f"{name}_group"] = None if row[name] is None else icd9.group(row[name])
            except ValueError as error:
                raise UnreadableError(f"{name} is {error}", fault="content") from None
        return row

    def expectations(self) -> tuple[Expectation, ...]:
        return (
            Expectation(
                "drugs_agree_with_diabetes_drug",
                ("diabetes_drug", *ANTIDIABETICS),
                lambda f: (
                    ~f[list(ANTIDIABETICS)].isin(_GIVEN).any(axis=1) | f["diabetes_drug"].ne(False)
                ),
                "whoever was given one of the drugs was given a drug against diabetes",
                severity="warning",
            ),
            Expectation(
                "diagnoses_are_counted",
                ("diagnoses", *_DIAGNOSES),
                lambda f: ~(f["diagnoses"] < f[list(_DIAGNOSES)].notna().sum(axis=1)),
                "as many diagnoses are counted as are named, or more",
                severity="warning",
            ),
        )

    def excluded(self, row: Row) -> str | None:
        reason = _EXCLUDED.get(row["discharge_disposition"])
        return None if reason is None else f"{reason}: the question is not about this encounter"

    # -- learning --------------------------------------------------------------------------------
    def fit(self, rows: Iterable[Row], params: Any) -> State:
        numbers: dict[str, Counter[float]] = {column.name: Counter() for column in _NUMBERS}
        words: dict[str, Counter[str]] = {name: Counter() for name in _VOCABULARY.values()}
        for row in rows:
            for name, value in _quantities(row):
                numbers[name][value] += 1
            for name, word in _classes(row):
                words[_VOCABULARY[name]][word] += 1
        if not any((*numbers.values(), *words.values())):
            raise DataError("no training rows to fit the encoding; lower split.val or split.test")
        return {
            "numbers": {name: _moments(name, seen) for name, seen in numbers.items() if seen},
            "codes": {name: _codes(name, seen, params.rare) for name, seen in words.items()},
        }

    def encode(self, row: Row, state: State) -> dict[str, np.ndarray]:
        stated = {
            name: (_scaled(name, value) - moments["mean"]) / moments["std"]
            for name, value in _quantities(row)
            if (moments := state["numbers"].get(name))
        }
        codes = {
            name: state["codes"][_VOCABULARY[name]].get(word, 0) for name, word in _classes(row)
        }
        names = [column.name for column in _NUMBERS]
        return {
            "numbers": np.array([stated.get(name, 0.0) for name in names], np.float32),
            "known": np.array([name in stated for name in names], np.float32),
            "codes": np.array([codes.get(name, 0) for name in _VOCABULARY], np.int32),
        }

    def model(self, params: Any, state: State) -> nn.Module:
        from medpipe.nn import build_table
        from medpipe.nn.occlusion import Occlusion  # delayed: torch

        network = build_table(
            params,
            numbers=len(_NUMBERS),
            categories=[(name, 1 + len(state["codes"][name])) for name in _VOCABULARY.values()],
            outputs=1,
        )
        shown, unknown = _parts()
        return Occlusion(network, shown=shown, unknown=unknown, shape=(len(_INPUTS),))

    def features(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
        codes = inputs["codes"].astype(np.float32)
        numbers = np.where(inputs["known"] > 0, inputs["numbers"], np.nan)
        return np.concatenate([numbers, np.where(codes > 0, codes, np.nan)], axis=1)

    def augment(self, params: Any) -> nn.Module | None:
        from medpipe.nn.hide import Hide  # delayed: torch

        shown, unknown = _parts()
        return Hide(shown=shown, unknown=unknown, share=params.hide) if params.hide else None

    def perturb(self) -> Mapping[str, Perturbation]:
        return {
            "earlier visits not known": lambda batch, rng: _without(batch, *_SKEWED),
            "diagnoses not known": lambda batch, rng: _without(batch, *_DIAGNOSES),
            "drugs not known": lambda batch, rng: _without(batch, *ANTIDIABETICS),
            "A1c and glucose not measured": lambda batch, rng: _without(batch, "a1c", "glucose"),
        }

    def foreign(self) -> Mapping[str, Perturbation]:
        return foreign.of_table(numbers="numbers", known="known", codes="codes")

    # -- answering -------------------------------------------------------------------------------
    def cautions(self, row: Row, state: State) -> tuple[str, ...]:
        said = []
        if absent := record.missing(row, _INPUTS):
            said.append(f"not stated: {', '.join(absent)}")
        for name, word in _classes(row):
            if word not in state["codes"][_VOCABULARY[name]]:
                field = _FIELD[name].replace("_", " ")
                said.append(f"{field}: {word} was too rare in training, and counts as not known")
        for name, value in _quantities(row):
            seen, field = state["numbers"].get(name), name.replace("_", " ")
            if seen is None:
                said.append(f"{field} was never known in training, and counts as not known")
            elif not seen["low"] <= value <= seen["high"]:
                said.append(
                    f"{field} is {value:g}; in training {seen['low']:g} to {seen['high']:g}"
                )
        return tuple(said)

    def draw(self, row: Row, explanation: np.ndarray) -> Picture:
        return reasons.bars(self.reasons(row, explanation))

    def reasons(self, row: Row, explanation: np.ndarray) -> tuple[Reason, ...]:
        return reasons.strongest(
            Reason(column.name.replace("_", " "), _said(row, column), float(effect))
            for column, effect in zip(_INPUTS, np.asarray(explanation).ravel(), strict=True)
        )


def _quantities(row: Row) -> list[tuple[str, float]]:
    """The numbers of `row` that are known and plausible, by name."""
    return [
        (column.name, float(value))
        for column in _NUMBERS
        if (value := row[column.name]) is not None and record.inside(value, column)
    ]


def _classes(row: Row) -> list[tuple[str, str]]:
    """The categories of `row` that are known, by the names in `_CODED`."""
    known = [(name, row[name]) for name in _VOCABULARY if row.get(name) is not None]
    stated = [name for name in _DIAGNOSES if row[name] is not None]
    return known + [(f"{name}_category", icd9.category(row[name])) for name in stated]


def _scaled(name: str, value: float) -> float:
    """Counts of visits by their logarithm: one person had 76 of them, most had none."""
    return math.log1p(value) if name in _SKEWED else value


def _moments(name: str, values: Counter[float]) -> dict[str, float]:
    """Mean and standard deviation as scaled; lowest and highest as stated."""
    scaled = np.array([_scaled(name, value) for value in values])
    weights = np.array(list(values.values())) / values.total()
    mean = float(scaled @ weights)
    std = float(np.sqrt(np.square(scaled - mean) @ weights))
    return {"mean": mean, "std": std or 1.0, "low": min(values), "high": max(values)}


def _codes(name: str, words: Counter[str], rare: int) -> dict[str, int]:
    """Word → code from 1 on, in the order of the column or the alphabet; rare ones have none."""
    declared = {"group": icd9.GROUPS} | {column.name: column.values for column in _INPUTS}
    kept = [word for word in declared.get(name, sorted(words)) if words[word] >= rare]
    return {word: code for code, word in enumerate(kept, start=1)}


def _parts() -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """For `Occlusion` and `Hide`: where each field stands in each input, and what hides it."""
    import torch  # delayed: the service has none

    fields = [column.name for column in _INPUTS]
    numbers = [[column.name != field for column in _NUMBERS] for field in fields]
    codes = [[owner != field for owner in _FIELD.values()] for field in fields]
    shown = (torch.tensor(numbers), torch.tensor(numbers), torch.tensor(codes))
    zero = torch.tensor(0.0)
    return shown, (zero, zero, torch.tensor(0, dtype=torch.int32))


def _without(batch: dict[str, np.ndarray], *fields: str) -> dict[str, np.ndarray]:
    """`batch` as if nobody had stated `fields`."""
    numbers = np.array([column.name not in fields for column in _NUMBERS], np.float32)
    codes = np.array([owner not in fields for owner in _FIELD.values()], np.int32)
    return {
        "numbers": batch["numbers"] * numbers,
        "known": batch["known"] * numbers,
        "codes": batch["codes"] * codes,
    }


def _said(row: Row, column: Column) -> str:
    """What was stated, in words that are no free text: declared ones, numbers, parts of codes."""
    value = row[column.name]
    if value is None:
        return "not stated"
    if column.name in _DIAGNOSES:
        return f"{icd9.category(value)} ({row[f'{column.name}_group']})"
    if column.dtype == "bool":
        return "yes" if value else "no"
    return f"{value} {column.unit}".rstrip()


WORKLOAD = Readmission()
