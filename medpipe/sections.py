"""The sections of params.yaml that every workload has: what a person may tune, with limits.

`medpipe.config` reads and checks them. An unknown key is an error that names its neighbours.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from medpipe.monitoring.policy import MonitorParams
from medpipe.plan.section import PlanParams
from medpipe.probation import ReleaseParams
from medpipe.workload import Section

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
AtMostOne = Annotated[float, Field(le=1, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Variant = Literal["fp32", "fp16", "int8"]


class SourceParams(Section):
    """Where identifiable data come from."""

    name: str = Field(
        "sample", description="layout of the source; the workload lists what it reads"
    )
    path: str | None = Field(
        None, description="folder or table; relative to the project; none for sample"
    )
    patients: int = Field(400, ge=2, le=1_000_000, description="how many patients `sample` invents")
    seed: int = Field(20260101, ge=0)
    options: dict[str, Any] = Field(
        default_factory=dict, description="what the layout wants to know"
    )


class IngestParams(Section):
    """The door: what is kept, and how much may fail."""

    max_side_px: int = Field(
        512, ge=64, le=4096, description="longest side of the working image in raw"
    )
    min_side_px: int = Field(32, ge=1, description="smaller images are quarantined")
    max_pixels: int = Field(
        100_000_000, ge=1024, description="larger images are quarantined undecoded"
    )
    keep_original: bool = Field(
        True, description="keep the de-identified file beside the working image"
    )
    quarantine_share: Share = Field(
        0.10, description="more unreadable items than this stop the run"
    )
    threads: int = Field(0, ge=0, description="decoding threads; 0: one per core")
    part_mib: int = Field(
        32, ge=1, le=1024, description="size of a part of raw before it is closed"
    )


class ValidateParams(Section):
    """What raw must fulfil before anything is trained on it."""

    min_examples: Count = 50
    min_groups: Count = Field(
        20, description="patients, unless the workload groups by something else"
    )
    min_per_class: Count = 10
    max_null_share: Share = Field(
        0.5, description="of the label and of columns that may not be null: 0"
    )
    contradictions: Literal["stop", "warn"] = Field(
        "stop", description="identical content of one patient under different labels"
    )


class SplitParams(Section):
    """Which patient stands on which side; salted hash, so a patient stays there for ever."""

    by: Literal["group", "published"] = "group"
    salt: str = "medpipe"
    val: float = Field(0.15, gt=0, lt=1)
    test: float = Field(0.20, gt=0, lt=1)
    external_sites: list[str] = Field(default_factory=list, description="sites held out whole")
    near_duplicate_bits: int = Field(
        2, ge=0, le=16, description="Hamming distance that counts as alike"
    )


class PruneParams(Section):
    """What is taken out of the network once it is fitted: see `medpipe.learning.pruning`."""

    method: Literal["none", "magnitude", "structured"] = Field(
        "none",
        description="magnitude: the smallest weights become 0, the file stays as large and as "
        "slow; structured: channels of convolutions are removed, the file is smaller and faster",
    )
    amount: float = Field(
        0.5, gt=0, lt=1, description="share of all weights, or of each layer's channels, that goes"
    )
    fine_tune_epochs: int = Field(4, ge=1, le=10_000, description="with what is left, after epochs")
    rate: float = Field(0.1, gt=0, le=1, description="of learning_rate, while fine-tuning")


class TrainParams(Section):
    """How the network is fitted."""

    epochs: int = Field(8, ge=1, le=10_000)
    batch_size: int = Field(64, ge=1, le=65_536)
    optimiser: Literal["sgd", "momentum", "rmsprop", "adam", "adamw"] = "adamw"
    learning_rate: float = Field(2e-3, gt=0, le=10)
    momentum: float = Field(0.9, ge=0, lt=1)
    l2: float = Field(1e-4, ge=0, description="weight decay")
    l1: float = Field(
        0.0, ge=0, description="added to the loss, on weights of convolutions and layers"
    )
    schedule: Literal["constant", "cosine", "step", "plateau", "one_cycle"] = "one_cycle"
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced weighs the rarer class up, and so moves probabilities"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=0.5)
    gradient_clip: float = Field(1.0, ge=0, description="norm; 0: none")
    early_stopping: int = Field(
        0, ge=0, description="epochs without gain on val before stopping; 0: never"
    )
    keep: Literal["best", "last"] = Field(
        "best",
        description="weights of the best epoch on val, or of the last: where the rate has fallen "
        "to nothing that is the calmer choice, and not the luck of a small val",
    )
    seed: int = Field(7, ge=0)
    device: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = Field(1, ge=1)
    nodes: int = Field(1, ge=1)
    strategy: str = Field("auto", description="Lightning's name: auto, ddp, fsdp, …")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 where the processor has it"
    )
    channels_last: bool = True
    threads: int = Field(0, ge=0, description="of the processor; 0: all cores")
    prune: PruneParams = PruneParams()

    @model_validator(mode="after")
    def _one_prunes(self) -> Self:
        if self.prune.method != "none" and self.devices * self.nodes > 1:
            raise ValueError("prune needs devices and nodes of 1; train on one, or leave prune out")
        return self


class ExportParams(Section):
    """Which artefacts are made from the weights, and how closely they must agree with them."""

    variants: list[Variant] = Field(["fp32", "int8"], min_length=1)
    calibration_examples: int = Field(
        256, ge=8, description="training rows that set the int8 ranges"
    )
    familiar_examples: int = Field(
        4000, ge=8, description="training rows whose features say what is familiar"
    )
    parity_examples: int = Field(
        256, ge=8, description="validation rows that torch and ONNX both score"
    )
    executorch: bool = Field(
        False, description="also a program for devices; needs the extra `edge`"
    )


class ThresholdParams(Section):
    """The operating point, chosen on val."""

    rule: Literal["sensitivity", "specificity", "youden", "fixed"] = "sensitivity"
    at: Share = Field(
        0.9, description="the sensitivity or specificity to reach, or the fixed threshold"
    )


class ConformalParams(Section):
    """Which outcomes stay possible for a patient: see `medpipe.evaluation.conformal`."""

    coverage: float = Field(
        0.9,
        gt=0.5,
        lt=1,
        description="share of the next patients whose true class, or quantity, is among what the "
        "answer calls possible, of each class by itself",
    )


class FamiliarParams(Section):
    """Which inputs are too unlike the training data: see `medpipe.evaluation.familiar`."""

    share: float = Field(
        0.99,
        gt=0.5,
        lt=1,
        description="share of the next patients, if they are like those of val, whose input is "
        "not called unfamiliar",
    )


class EvaluateParams(Section):
    """What is measured on the artefact that will be served."""

    variant: Variant = Field("fp32", description="the artefact that is served and scored")
    confidence: float = Field(0.95, gt=0.5, lt=1)
    resamples: int = Field(1000, ge=100, le=100_000, description="bootstrap resamples of patients")
    seed: int = Field(11, ge=0)
    threshold: ThresholdParams = ThresholdParams()
    conformal: ConformalParams = ConformalParams()
    familiar: FamiliarParams = FamiliarParams()
    age_bands: list[int] = Field(default_factory=lambda: [0, 18, 40, 65, 120], description="years")
    subgroup_min: int = Field(
        20, ge=2, description="examples, with both classes, before a subgroup is judged"
    )
    explained: int = Field(6, ge=0, le=64, description="examples drawn with their explanation map")
    latency_runs: int = Field(50, ge=5)


class GateParams(Section):
    """The policy. Floors hold for the lower bound of the interval, ceilings for the upper.

    Any metric of the objective may stand in them; its direction is the objective's. Margins and
    gaps are in the metric's own unit.
    """

    floors: dict[str, AtMostOne] = Field(default_factory=lambda: {"auroc": 0.80})
    ceilings: dict[str, NotNegative] = Field(
        default_factory=dict, description="of metrics that are better when lower; none: not judged"
    )
    external_floors: dict[str, AtMostOne] = Field(
        default_factory=dict, description="floors on the held-out sites; none: not judged"
    )
    margins: dict[str, NotNegative] = Field(
        default_factory=lambda: {"auroc": 0.02},
        description="how much worse than the champion is allowed",
    )
    baseline_margin: NotNegative | None = Field(
        0.02,
        description="how much worse than gradient boosting on the same patients is allowed, in the "
        "main metric; null: not judged",
    )
    coverage_margin: NotNegative | None = Field(
        0.05,
        description="how far what is called possible may hold the truth less often than promised, "
        "of all test patients and of each class, upper bound; null: not judged",
    )
    subgroup_gap: NotNegative = Field(
        0.15, description="worst subgroup below the whole in the main metric, upper bound"
    )
    ece_max: Share = 0.10
    parity_auroc: Share = Field(
        0.005, description="AUROC, or other main metric, that the artefact may lose against torch"
    )
    parity_probability: Share = Field(
        0.05,
        description="95th percentile of |probability difference|, of a quantity in standard "
        "deviations; int8 is coarser",
    )
    latency_p95_ms: Positive = 500.0
    clean_receipt: bool = True
    validated: bool = True
    valid_days: int | None = Field(
        365, ge=1, description="after which the service wants a new certificate; null: never"
    )


class ServeParams(Section):
    """Limits and sizes of the service."""

    max_upload_mib: int = Field(64, ge=1, le=2048)
    max_pixels: int = Field(100_000_000, ge=1024)
    batch_max: int = Field(32, ge=1, le=1024)
    threads: int = Field(0, ge=0, description="of ONNX Runtime; 0: one per core")
    audit: Literal["stop", "spool"] = Field(
        "stop",
        description="while the record of answers is out of reach: stop answering, or answer and "
        "keep the records in a local file until it is back",
    )
    abstain: Literal["warn", "refuse"] = Field(
        "warn",
        description="of an input that is unlike the training data: answer with a warning, or say "
        "that it is not for this model and give no risk",
    )


class ImageParams(Section):
    """The container that `medpipe image` builds; no stage reads it."""

    base: str | None = Field(
        None,
        min_length=1,
        description="image to build on, which holds the Python that medpipe runs on here, and pip "
        "or uv; null: docker.io/library/python:<this Python>-slim",
    )
    cuda_base: str = Field(
        "docker.io/nvidia/cuda:13.0.2-cudnn-runtime-ubuntu24.04",
        min_length=1,
        description="image to build on for graphics cards: Ubuntu 24.04 with CUDA 13 and cuDNN 9, "
        "as ONNX Runtime wants them",
    )


class Axis(Section):
    """Where tuning looks for one parameter: from `low` to `high`, or among `choices`."""

    low: int | float | None = None
    high: int | float | None = Field(None, description="included")
    log: bool = Field(False, description="even in the logarithm: for rates and penalties")
    choices: list[bool | int | float | str] | None = Field(None, min_length=2)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [end for end in (self.low, self.high) if end is not None]
        if len(given) != (0 if self.choices else 2):
            raise ValueError("write either low and high, or choices")
        if given and not given[0] < given[1]:
            raise ValueError(f"low {given[0]} is not below high {given[1]}")
        if self.log and not (given and given[0] > 0):
            raise ValueError("log needs a low above 0")
        return self

    @property
    def ends(self) -> list[bool | int | float | str]:
        """The values that must be allowed for all others to be."""
        return self.choices or [end for end in (self.low, self.high) if end is not None]


class TuneParams(Section):
    """Where `medpipe tune` looks for better parameters; no stage reads it."""

    space: dict[str, Axis] = Field(
        default_factory=dict,
        description="dotted name of train, model or augment → where to look; none: a few that "
        "matter nearly always",
    )
    pruner: Literal["median", "none"] = Field(
        "median", description="median: stop a trial that is worse than half of those before it"
    )
    seed: int = Field(0, ge=0)
    storage: str | None = Field(
        None,
        description="SQLAlchemy URL of a database that several machines share; none: SQLite in "
        ".medpipe. One with a password belongs into MEDPIPE_TUNE_STORAGE",
    )


class Params(Section):
    """All sections of one workload; types of `preprocess`, `model`, `augment` are its own."""

    source: SourceParams = SourceParams()
    ingest: IngestParams = IngestParams()
    validate_: ValidateParams = Field(default_factory=ValidateParams, alias="validate")
    split: SplitParams = SplitParams()
    preprocess: Any = None
    model: Any = None
    augment: Any = None
    train: TrainParams = TrainParams()
    export: ExportParams = ExportParams()
    evaluate: EvaluateParams = EvaluateParams()
    gate: GateParams = GateParams()
    plan: PlanParams = PlanParams()
    release: ReleaseParams = ReleaseParams()
    serve: ServeParams = ServeParams()
    monitor: MonitorParams = MonitorParams()
    tune: TuneParams = TuneParams()
    image: ImageParams = ImageParams()
