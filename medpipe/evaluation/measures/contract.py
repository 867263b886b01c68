"""What is measured of one kind of prediction, and how it is worded: one module per objective.

Stages, gate, subgroups, robustness and page know measurements only through what stands here.
"""

from __future__ import annotations

import csv
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from medpipe.evaluation.delong import Area
from medpipe.evaluation.intervals import Estimate
from medpipe.evaluation.sample import Floats
from medpipe.evaluation.scored import Scored
from medpipe.objectives.objective import Objective, Point
from medpipe.sections import EvaluateParams

if TYPE_CHECKING:
    from medpipe.evaluation.trees import Fitting

Better = Literal["higher", "lower", "one", "zero"]
"""Where the best value of a metric lies; there is no default."""
Report = Mapping[str, Any]
Table = tuple[Sequence[str], Sequence[Sequence[Any]]]
"""Header and rows."""
P = TypeVar("P", bound=Point)


@dataclass(frozen=True)
class Sentence:
    """One headline: the figure, its interval, and what both mean."""

    name: str
    figure: str
    interval: str
    meaning: str


@dataclass(frozen=True)
class Figure:
    """A plot; `caption` ends with the figure that it shows, and `name` is its file's."""

    name: str
    heading: str
    svg: str
    alt: str
    caption: str
    value: str = ""


@dataclass(frozen=True)
class Cross:
    """Truth by row and answer by column, counted.

    Parameters
    ----------
    rows : name, and for each column count, note and whether that is right
    """

    lead: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[int, str, bool], ...]], ...]

    def table(self) -> Table:
        """Header and rows."""
        counted = [(name, *(count for count, _, _ in cells)) for name, cells in self.rows]
        return ("truth", *self.columns), counted


@dataclass(frozen=True)
class Chosen:
    """A row of the test split that is to be shown with its explanation.

    Parameters
    ----------
    kind : found, missed, false alarm, right, wrong, …
    answer : what the model says of it, in words
    good : whether that is right
    """

    row: int
    example: str
    kind: str
    answer: str
    good: bool


@dataclass(frozen=True)
class Drawn:
    """The curves of a report.

    Parameters
    ----------
    tables : name → the numbers behind the figures
    """

    tables: Mapping[str, Table]
    figures: tuple[Figure, ...]
    cross: Cross | None = None


class Words(Protocol):
    """What a module of words gives: the report of one objective, as a clinician reads it."""

    def lead(self, report: Report) -> str:
        """How an answer comes about: threshold, most probable class, range."""

    def headline(self, report: Report) -> list[Sentence]:
        """What matters most; metrics that are undefined say so."""

    def believed(self, report: Report) -> str:
        """How far the answers can be believed: their calibration."""

    def alerts(self, report: Report) -> list[str]:
        """What makes the figures doubtful, of this objective alone."""

    def limits(self, report: Report) -> list[str]:
        """What the report cannot say, of this objective alone."""


class Measures(ABC, Generic[P]):
    """Measurements of one objective. A split is `Scored`; its answers need the point, too."""

    words: ClassVar[Words]
    main: ClassVar[str]
    """The metric that champion, baseline, subgroups and robustness are compared by."""
    better: ClassVar[Mapping[str, Better]]
    """Each metric and its direction, in the order in which they are shown."""
    names: ClassVar[Mapping[str, str]]
    """Each metric as a clinician reads it."""
    methods: ClassVar[Mapping[str, str]]
    """How the intervals were made."""
    part_names: ClassVar[Mapping[str, str]] = {}
    """Metrics of a single class or label, where there are several."""
    second: ClassVar[str]
    """The metric that subgroups show beside the main one."""
    shown: ClassVar[tuple[str, ...]]
    """Metrics that an operator is told at the end of a run, the main one first."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective

    def truth(self, scored: Scored) -> Floats:
        """Targets, (N,) or (N, L)."""
        return self.objective.targets_in(scored.frame).astype(np.float64)

    # -- numbers ---------------------------------------------------------------------------------
    @abstractmethod
    def operating_point(self, val: Scored, params: EvaluateParams) -> P:
        """Calibration, thresholds, and what is possible, from the validation split alone.

        Raises
        ------
        DataError : the split lacks a class that the fit or the rule needs
        """

    def point(self, values: Mapping[str, Any]) -> P:
        """See `Objective.point`."""
        found: P = self.objective.point(values)
        return found

    @abstractmethod
    def measure(self, scored: Scored, point: P, params: EvaluateParams) -> dict[str, Any]:
        """One split: examples, groups, positives (None where there is no such thing), metrics.

        Several classes or labels stand under `parts`: name → {examples, metrics}. What is called
        possible is measured under `sets`: see `conformal.measured`.
        """

    @abstractmethod
    def sections(self, test: Scored, point: P, params: EvaluateParams) -> dict[str, Any]:
        """Sections of the report beside the splits: calibration, and threshold or interval."""

    @abstractmethod
    def paired(
        self, metric: str, first: tuple[Scored, P], second: tuple[Scored, P], params: EvaluateParams
    ) -> dict[str, Any]:
        """`metric` of `first` minus that of `second` on the same rows, with interval by group.

        Returns
        -------
        {difference, low, high, candidate, champion, metric, better}

        Raises
        ------
        ParamsError : no such metric can be compared
        """

    @abstractmethod
    def gap(
        self, scored: Scored, point: P, mask: NDArray[np.bool_], params: EvaluateParams
    ) -> Estimate:
        """Main metric of the whole less that of the rows of `mask` (N,), which are part of it."""

    @abstractmethod
    def too_few(self, scored: Scored) -> str:
        """Why `scored` is too small to be judged, beyond its number of rows; empty where not."""

    def positives(self, scored: Scored) -> int | None:
        """How many rows have what is looked for; None where there is no such thing."""
        return None

    @abstractmethod
    def columns(self, scored: Scored, point: P) -> dict[str, NDArray[Any]]:
        """Columns of scores.parquet: label, logit and answer, one of each per output."""

    @abstractmethod
    def boost(self, fitting: Fitting) -> tuple[dict[str, Floats], int]:
        """Gradient boosting's logits by split, as the network would give them; trees in all."""

    @abstractmethod
    def choose(self, scored: Scored, point: P, *, count: int) -> list[Chosen]:
        """Up to `count` rows that are shown with an explanation, by rule."""

    @abstractmethod
    def draw(self, test: Scored, point: P, report: Report) -> Drawn | None:
        """The curves of the test split; None where it lacks a class."""

    # -- words -----------------------------------------------------------------------------------
    def lead(self, report: Report) -> str:
        """See `Words.lead`."""
        return self.words.lead(report)

    def headline(self, report: Report) -> list[Sentence]:
        """See `Words.headline`."""
        return self.words.headline(report)

    def believed(self, report: Report) -> str:
        """See `Words.believed`."""
        return self.words.believed(report)

    def alerts(self, report: Report) -> list[str]:
        """See `Words.alerts`."""
        return self.words.alerts(report)

    def limits(self, report: Report) -> list[str]:
        """See `Words.limits`."""
        return self.words.limits(report)

    @abstractmethod
    def formula(self, report: Report) -> str:
        """From the artefact's output to the answer."""

    @abstractmethod
    def positive(self, report: Report) -> str:
        """What `positives` counts; empty where there is no such thing."""


def mean(areas: Sequence[Area | None]) -> Area | None:
    """The mean of areas over the same groups; None where one of them is undefined."""
    known = [area for area in areas if area is not None]
    if not known or len(known) < len(areas):
        return None
    influences = [area.influence for area in known]
    each = [influence for influence in influences if influence is not None]
    return Area(
        float(np.mean([area.value for area in known])),
        np.mean(each, axis=0) if len(each) == len(known) else None,
        min(area.pairs for area in known),
    )


def write_tables(folder: Path, drawn: Drawn | None) -> None:
    """The numbers behind `drawn`, one CSV file each; an empty folder where there are none."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = dict(drawn.tables) if drawn else {}
    if drawn and drawn.cross:
        tables["confusion"] = drawn.cross.table()
    for name, (header, rows) in tables.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows([_short(value) for value in row] for row in rows)


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
