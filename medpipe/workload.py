"""The contract between medpipe and a clinical question.

A workload is one file in ``medpipe/workloads/``; its file name is its name. Stages, flows and
service know a workload only through what stands here. It imports of ours the columns alone, so
that everything else may import it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from medpipe.columns import Column, Expectation

if TYPE_CHECKING:
    from torch import nn

    from medpipe.io.fhir.mapping import FhirMap
    from medpipe.io.terminology import Code

Row = Mapping[str, Any]
"""One row of raw: column name → value, None where it is not known."""
State = dict[str, Any]
"""What `Workload.fit` learned from the training rows: JSON, nothing that runs."""
Perturbation = Callable[[dict[str, np.ndarray], np.random.Generator], dict[str, np.ndarray]]
"""A change of a batch of encoded inputs; see `Workload.perturb`."""


class Section(BaseModel):
    """A part of params.yaml: typed, immutable, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


@dataclass(frozen=True)
class Item:
    """One thing that a source offers, before anything of it is read. Identifiable: never log one.

    Parameters
    ----------
    key : stable name inside the source (a relative path, a row's key)
    fingerprint : changes when the thing, or what the source says of it, changes; cheap (no reading)
    payload : the file to read, or the value itself where the source is a table
    label : what the source says the answer is
    patient_id, site : None where the payload itself says so (a DICOM header)
    public_site : the site's name identifies nobody and may stand in raw as it is
    covariates : further columns of raw that the source knows
    """

    key: str
    fingerprint: str
    payload: Path | Row
    label: float | int | str | None
    patient_id: str | None = None
    site: str | None = None
    public_site: bool = False
    acquired: date | None = None
    published: Literal["train", "val", "test"] | None = None
    covariates: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """A drawing that a browser shows as it is; it loads nothing from elsewhere."""

    media_type: Literal["image/png", "image/svg+xml"]
    data: bytes
    plain: bytes | None = None
    """The same picture, of the same type and size, with nothing drawn over it."""


@dataclass(frozen=True)
class Reason:
    """Something in an example that moved its answer.

    Parameters
    ----------
    what : in words, with the hours where it is a series
    value : as it was stated, with its unit; "not measured" where its absence counted
    effect : by how much the logit would differ without it; above 0 it raised the risk
    """

    what: str
    value: str
    effect: float


@dataclass(frozen=True)
class Identity:
    """What a payload says of the person in it. Lives inside ingest only."""

    patient_id: str | None = None
    site: str | None = None
    acquired: date | None = None


class Source(ABC):
    """A place where identifiable examples come from, in one published or clinical layout."""

    @abstractmethod
    def items(self) -> Iterator[Item]:
        """Everything on offer, in a stable order, without reading payloads.

        Raises
        ------
        SourceError : the layout is not there; the message lists what was looked for
        """


class Pseudonymise(ABC):
    """Keyed replacement of identifiers, given to `Workload.original` by ingest."""

    @abstractmethod
    def __call__(self, kind: str, identifier: str) -> str:
        """The pseudonym of `identifier`; `kind` ("group", "site", "uid", …) is its name space."""

    @abstractmethod
    def shift(self, patient_id: str, day: date) -> date:
        """`day` moved by the patient's own keyed number of days, so that intervals are kept."""


class Workload(ABC):
    """One clinical question: its data, model, score and answer.

    Class attributes are facts; methods are pure: the same arguments give the same result, nothing
    is read but the arguments, nothing is written but what is returned (`synthesise` apart).
    """

    name: ClassVar[str]
    title: ClassVar[str]
    intended_use: ClassVar[str]
    not_for: ClassVar[str]
    payload: ClassVar[Literal["file", "record"]] = "file"
    """What an example arrives as: bytes of a file, or a `Row` whose fields are columns of raw."""
    example: ClassVar[Row] = {}
    """Where payloads are records, an invented one, for documentation and forms."""
    fhir: ClassVar[FhirMap | None] = None
    """Where payloads are records: which columns FHIR resources give, and how; None: none.

    A request in FHIR then becomes a record like any other. Files come in a ``Media`` resource.
    """
    codes: ClassVar[Mapping[str, Code]] = {}
    """What is answered, coded, by the name of its label column or, of several classes, its class.

    A report names what has no code here by a private code.
    """
    procedure: ClassVar[Code | None] = None
    """Where payloads are images: how they were made; None: by some imaging procedure."""
    columns: ClassVar[tuple[Column, ...]]
    """COMMON, then covariates, facts read from the payload, the label, and content."""
    label: ClassVar[str]
    labels: ClassVar[tuple[str, ...]] = ()
    """Where one example has several labels (multilabel): all their columns, `label` the first.

    A source gives the others as covariates. One that is not known is left out of the loss.
    """
    looked_for: ClassVar[str] = ""
    """What is looked for, as a noun in the report's sentences ("death in hospital"); where it is
    empty, the label's name in words."""
    objective: ClassVar[str]
    """Name of a module in `medpipe.objectives`."""
    duplicate_column: ClassVar[str | None] = None
    """Column whose equality means the same content (`pixel_hash`)."""
    near_duplicate_column: ClassVar[str | None] = None
    """Column of 64-bit hexadecimal hashes that are close where contents are alike."""
    encode_params: ClassVar[type[Section]]
    """Section `preprocess` of params.yaml."""
    model_params: ClassVar[type[Section]]
    """Section `model` of params.yaml."""
    augment_params: ClassVar[type[Section]] = Section
    """Section `augment` of params.yaml; closed unless the workload augments."""

    @property
    def label_columns(self) -> tuple[str, ...]:
        """Names of all columns that are predicted."""
        return self.labels or (self.label,)

    # -- data in ---------------------------------------------------------------------------------
    @abstractmethod
    def synthesise(self, folder: Path, *, patients: int, seed: int) -> None:
        """Write invented, identifiable-looking patients in the layout of source `sample`."""

    @abstractmethod
    def source(self, name: str, path: Path, *, options: Mapping[str, Any]) -> Source:
        """The reader of layout `name` over `path`. Raises ParamsError for an unknown name."""

    def example_file(self) -> Picture | None:
        """Where payloads are files, an invented one that is answered; None for none."""
        return None

    @abstractmethod
    def read(self, payload: bytes | Row, *, limits: Mapping[str, Any]) -> dict[str, Any]:
        """Facts and content of one payload: the columns of raw that only the payload knows.

        The same function reads a file at ingest and an upload in the service. `limits` is section
        `ingest` of params.yaml. Raises UnreadableError with a reason that names no one.
        """

    def identity(self, payload: bytes | Row) -> Identity:
        """Who the payload says it is about; nothing, unless the workload's format carries it."""
        return Identity()

    def original(self, payload: bytes | Row, *, pseudonymise: Pseudonymise) -> bytes | None:
        """The de-identified file to keep in raw beside what `read` took from it; None for none."""
        return None

    def expectations(self) -> tuple[Expectation, ...]:
        """Rules across columns of raw, beside those that the columns state themselves."""
        return ()

    def excluded(self, row: Row) -> str | None:
        """Why the question cannot be asked of `row` (small columns); None where it can.

        Such examples stay in raw, are counted by reason in the receipt, and are in no split; a
        request for one is refused with the reason.
        """
        return None

    # -- learning --------------------------------------------------------------------------------
    @abstractmethod
    def fit(self, rows: Iterable[Row], params: Any) -> State:
        """What encoding and model need to know of the training rows, and of no others."""

    @abstractmethod
    def encode(self, row: Row, state: State) -> dict[str, np.ndarray]:
        """Model inputs by name for one row, no batch axis. Numpy only: the service runs this."""

    @abstractmethod
    def model(self, params: Any, state: State) -> nn.Module:
        """The untrained network: `forward(*inputs)` gives logits; `explain` logits, map, features.

        Features (B, F) are what its last layer reads: how far they lie from those of the training
        data says whether the network can know such an input.
        """

    def features(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """What the baseline beside the network sees of encoded inputs (N, …): (N, F), nan: unknown.

        None where trees on features are no sensible rival, as for images.
        """
        return None

    def augment(self, params: Any) -> nn.Module | None:
        """Random changes of a training batch that leave its label true; None for none.

        `params` is section `augment`; the module takes the inputs as `model` does and returns
        them changed, on whatever device they are.
        """
        return None

    def perturb(self) -> Mapping[str, Perturbation]:
        """Changes of encoded inputs that another device would make, by their names in words.

        The evaluation measures what each costs. Each takes a batch (B, …) by input name, and a
        generator, and returns the batch changed, in the same shapes and dtypes; none: not measured.
        """
        return {}

    def foreign(self) -> Mapping[str, Perturbation]:
        """Changes, as those of `perturb`, that leave nothing the question could be asked about.

        The evaluation measures whether the model would notice: noise, another organ, columns of
        another table; none: not measured.
        """
        return {}

    # -- answering -------------------------------------------------------------------------------
    def request(
        self, payload: bytes | Row, state: State, *, limits: Mapping[str, Any]
    ) -> tuple[Row, dict[str, np.ndarray]]:
        """Facts and model inputs of one upload: `read`, then `encode`.

        A workload may leave out what only raw keeps (hashes, stored pictures), so long as the
        inputs are the same to the last bit; `draw` is given the row of `read`, never this one.
        """
        row = self.read(payload, limits=limits)
        return row, self.encode(row, state)

    def cautions(self, row: Row, state: State) -> tuple[str, ...]:
        """What the reader of an answer for `row` should know: a rare view, a very small image."""
        return ()

    @abstractmethod
    def draw(self, row: Row, explanation: np.ndarray) -> Picture:
        """`explanation`, as the artefact gave it for `row`, drawn over the example."""

    def reasons(self, row: Row, explanation: np.ndarray) -> tuple[Reason, ...]:
        """What moved the answer most, strongest first; none where only a picture can tell."""
        return ()
