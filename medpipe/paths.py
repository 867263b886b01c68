"""Where everything lies. No other module spells a path of the project.

data/<workload>/source/     the invented sample (never versioned)
data/<workload>/raw/        de-identified parts                       ingest
reports/<workload>/validate/  rules and what they found               validate
data/<workload>/ready/      encoded arrays, state, split receipt      preprocess
models/<workload>/weights/  weights, history, run                     train
reports/<workload>/train/   loss and score by epoch                   train
models/<workload>/onnx/     what is served, and its parity            export
reports/<workload>/evaluate/  report, page, plots, curves             evaluate
reports/<workload>/tune/    what a search found                       (tune)
reports/<workload>/monitor/ verdict, page, metrics                    (monitor)
dist/edge/<workload>/       the champion for a machine of its own     (export --edge)
.medpipe/                   this machine's own: keys, MLflow, Prefect, champions, checkpoints, audit
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
"""The folder that ``medpipe/`` and ``service/`` lie in: a checkout, a bento, or site-packages."""

PROBATION = ".probation"
"""Folder, among the champions, of the models on probation beside them."""


@dataclass(frozen=True)
class Home:
    """What belongs to the project on this machine and is never committed."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / ".medpipe"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def access_keys(self) -> Path:
        """Who may ask the service; the secrets themselves are not in it."""
        return self.keys / "access.json"

    @property
    def tracking_database(self) -> Path:
        return self.folder / "mlflow.db"

    @property
    def tracking_artifacts(self) -> Path:
        return self.folder / "mlartifacts"

    @property
    def prefect(self) -> Path:
        return self.folder / "prefect"

    @property
    def training_lock(self) -> Path:
        """Held by whoever trains or releases in this project."""
        return self.folder / "training.lock"

    @property
    def champions(self) -> Path:
        return self.folder / "champions"

    @property
    def audit_database(self) -> Path:
        """The record of answers, unless MEDPIPE_AUDIT names another place."""
        return self.folder / "audit.db"

    @property
    def bentos(self) -> Path:
        return self.folder / "bentoml"

    @property
    def images(self) -> Path:
        """Bills of materials of the images that were built here."""
        return self.folder / "images"


@dataclass(frozen=True)
class Layout:
    """The files of one workload in the project at `root`."""

    root: Path
    workload: str

    @property
    def home(self) -> Home:
        return Home(self.root)

    @property
    def source(self) -> Path:
        return self.root / "data" / self.workload / "source"

    @property
    def raw(self) -> Path:
        return self.root / "data" / self.workload / "raw"

    @property
    def raw_next(self) -> Path:
        """Raw while it is made anew: takes the place of `raw` when it is whole."""
        return self.raw.with_name(".next-raw")

    @property
    def validation(self) -> Path:
        return self.root / "reports" / self.workload / "validate"

    @property
    def ready(self) -> Path:
        return self.root / "data" / self.workload / "ready"

    @property
    def training(self) -> Path:
        return self.root / "reports" / self.workload / "train"

    @property
    def weights(self) -> Path:
        return self.root / "models" / self.workload / "weights"

    @property
    def onnx(self) -> Path:
        return self.root / "models" / self.workload / "onnx"

    @property
    def evaluation(self) -> Path:
        return self.root / "reports" / self.workload / "evaluate"

    @property
    def report(self) -> Path:
        return self.evaluation / "report.json"

    @property
    def quarantine(self) -> Path:
        """What ingest refused, for the eyes of this machine: it may name files."""
        return self.home.folder / "quarantine" / f"{self.workload}.csv"

    @property
    def checkpoints(self) -> Path:
        return self.home.folder / "checkpoints" / self.workload

    @property
    def tuning(self) -> Path:
        """Checkpoints and locks of the trials of this machine."""
        return self.home.folder / "tune" / self.workload

    @property
    def tuning_database(self) -> Path:
        return self.tuning.with_name(f"{self.workload}.db")

    @property
    def tuning_report(self) -> Path:
        return self.root / "reports" / self.workload / "tune"

    @property
    def monitoring(self) -> Path:
        return self.root / "reports" / self.workload / "monitor"

    @property
    def verdict(self) -> Path:
        return self.monitoring / "verdict.json"

    @property
    def record(self) -> Path:
        """Copy, on this machine, of the signed promotion record."""
        return self.home.folder / "promotions" / f"{self.workload}.json"

    @property
    def drift(self) -> Path:
        """What monitoring told last of drift, and when."""
        return self.home.folder / "drift" / f"{self.workload}.json"

    @property
    def lost(self) -> Path:
        """Until when monitoring told of runs that were killed."""
        return self.home.folder / "lost" / f"{self.workload}.json"

    @property
    def champion(self) -> Path:
        """The promoted model, as the service loads it."""
        return self.home.champions / self.workload

    @property
    def probation(self) -> Path:
        """The model on probation beside the champion, where the service looks for it."""
        return self.home.champions / PROBATION / self.workload

    @property
    def edge(self) -> Path:
        """The champion as a folder that needs no medpipe."""
        return self.root / "dist" / "edge" / self.workload
