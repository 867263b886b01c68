"""params.yaml and the environment, read and checked once, at the edge.

The only module that reads YAML or environment variables. Every section is a `Section`: an unknown
key is an error that names its neighbours, a wrong type or an impossible value one that names the
limit.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, Field, ValidationError

from medpipe.errors import ParamsError
from medpipe.workload import Section, Workload

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Variant = Literal["fp32", "int8"]
S = TypeVar("S", bound=BaseModel)


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


class ExportParams(Section):
    """Which artefacts are made from the weights, and how closely they must agree with them."""

    variants: list[Variant] = Field(["fp32", "int8"], min_length=1)
    calibration_examples: int = Field(
        256, ge=8, description="training rows that set the int8 ranges"
    )
    parity_examples: int = Field(
        256, ge=8, description="validation rows that torch and ONNX both score"
    )


class ThresholdParams(Section):
    """The operating point, chosen on val."""

    rule: Literal["sensitivity", "specificity", "youden", "fixed"] = "sensitivity"
    at: Share = Field(
        0.9, description="the sensitivity or specificity to reach, or the fixed threshold"
    )


class EvaluateParams(Section):
    """What is measured on the artefact that will be served."""

    variant: Variant = Field("fp32", description="the artefact that is served and scored")
    confidence: float = Field(0.95, gt=0.5, lt=1)
    resamples: int = Field(1000, ge=100, le=100_000, description="bootstrap resamples of patients")
    seed: int = Field(11, ge=0)
    threshold: ThresholdParams = ThresholdParams()
    age_bands: list[int] = Field(default_factory=lambda: [0, 18, 40, 65, 120], description="years")
    subgroup_min: int = Field(
        20, ge=2, description="examples, with both classes, before a subgroup is judged"
    )
    explained: int = Field(6, ge=0, le=64, description="examples drawn with their explanation map")
    latency_runs: int = Field(50, ge=5)


class GateParams(Section):
    """The policy. Floors hold for the lower bound of the interval, ceilings for the upper."""

    floors: dict[str, Share] = Field(default_factory=lambda: {"auroc": 0.80})
    external_floors: dict[str, Share] = Field(
        default_factory=dict, description="floors on the held-out sites; none: not judged"
    )
    margins: dict[str, Share] = Field(
        default_factory=lambda: {"auroc": 0.02},
        description="how much worse than the champion is allowed",
    )
    subgroup_gap: Share = Field(
        0.15, description="worst subgroup's AUROC below the whole, upper bound"
    )
    ece_max: Share = 0.10
    parity_auroc: Share = Field(0.005, description="AUROC that the artefact may lose against torch")
    parity_probability: Share = Field(
        0.05, description="95th percentile of |probability difference|; int8 is coarser"
    )
    latency_p95_ms: Positive = 500.0
    clean_receipt: bool = True
    validated: bool = True


class ServeParams(Section):
    """Limits and sizes of the service."""

    max_upload_mib: int = Field(64, ge=1, le=2048)
    max_pixels: int = Field(100_000_000, ge=1024)
    batch_max: int = Field(32, ge=1, le=1024)
    threads: int = Field(0, ge=0, description="of ONNX Runtime; 0: one per core")


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
    serve: ServeParams = ServeParams()


def load(root: Path, workload: Workload) -> Params:
    """The checked parameters of `workload` from ``root/params.yaml``.

    Raises
    ------
    ParamsError : no file, not YAML, no section for the workload, or a wrong key, type or value
    """
    sections = _sections(root)
    if workload.name not in sections:
        raise ParamsError(
            f"params.yaml has no section workloads.{workload.name}; "
            f"it has {', '.join(sections) or 'none'}"
        )
    return parse(sections[workload.name] or {}, workload)


def parse(section: Mapping[str, Any], workload: Workload) -> Params:
    """`section` as checked parameters; see `load`."""
    where = f"workloads.{workload.name}"
    params = _checked(Params, section, where)
    types = {
        "preprocess": workload.encode_params,
        "model": workload.model_params,
        "augment": workload.augment_params,
    }
    own = {
        name: _checked(model, getattr(params, name) or {}, f"{where}.{name}")
        for name, model in types.items()
    }
    params = params.model_copy(update=own)
    if params.split.val + params.split.test >= 1:
        raise ParamsError(
            f"{where}.split: val {params.split.val} + test {params.split.test} leave nothing to "
            "train on; their sum must be below 1"
        )
    if params.evaluate.variant not in params.export.variants:
        raise ParamsError(
            f"{where}.evaluate.variant is {params.evaluate.variant!r}, which export.variants "
            f"{list(params.export.variants)} does not make; add it there"
        )
    return params


def effective(params: Params) -> dict[str, Any]:
    """Every parameter with its default filled in, as JSON, to be saved beside a result.

    Path and options of the source are left out, because a folder's or a file's name may spell a
    person's; what the source held is identified by the version of raw.
    """
    return params.model_dump(mode="json", by_alias=True, exclude={"source": {"path", "options"}})


def flat(params: Params) -> dict[str, str]:
    """`effective` with dotted names, as MLflow logs parameters."""

    def walk(prefix: str, value: Any) -> dict[str, str]:
        if isinstance(value, Mapping) and value:
            return {
                k: v
                for key, inner in value.items()
                for k, v in walk(f"{prefix}{key}.", inner).items()
            }
        return {prefix.rstrip("."): str(value)}

    return walk("", effective(params))


def described(params: BaseModel, prefix: str = "") -> list[str]:
    """One line per parameter: dotted name, value in force, limits, meaning."""
    lines = []
    for name, field in type(params).model_fields.items():
        value = getattr(params, name)
        dotted = f"{prefix}{field.alias or name}"
        if isinstance(value, BaseModel):
            lines += described(value, f"{dotted}.")
            continue
        choices = " | ".join(str(choice) for choice in _choices(field.annotation))
        limits = choices or ", ".join(_limit(bound) for bound in field.metadata)
        notes = " — ".join(note for note in (limits, field.description) if note)
        lines.append(f"{dotted} = {value}" + (f"   # {notes}" if notes else ""))
    return lines


def _choices(annotation: Any) -> tuple[Any, ...]:
    """What a ``Literal`` allows; nothing for other types."""
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _limit(bound: Any) -> str:
    """A pydantic bound as a person writes it: ``Ge(ge=1)`` is "≥ 1"."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "at least"}
    found = [(sign, getattr(bound, name)) for name, sign in signs.items() if hasattr(bound, name)]
    return ", ".join(f"{sign} {value:g}" for sign, value in found)


def environment(name: str) -> str | None:
    """The environment variable `name`; None where it is unset or empty."""
    return os.environ.get(name) or None


def prefer(name: str, value: str) -> None:
    """Set the environment variable `name` for this process, unless the user has set it."""
    os.environ.setdefault(name, value)


def locked_hash(root: Path, output: str) -> str | None:
    """The hash in ``root/dvc.lock`` of `output`, a path as dvc.yaml spells it; None for none."""
    try:
        content = yaml.safe_load((root / "dvc.lock").read_text(encoding="utf-8"))
        stages = content["stages"].values()
    except (FileNotFoundError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return None
    outs = [out for stage in stages for out in stage.get("outs", []) if out.get("path") == output]
    return next((str(out["md5"]) for out in outs if "md5" in out), None)


def child_environment(**changes: str) -> dict[str, str]:
    """The environment with `changes`, for a command that this process starts."""
    return {**os.environ, **changes}


def workload_names(root: Path) -> list[str]:
    """The workloads that ``root/params.yaml`` configures, in its order."""
    return list(_sections(root))


def _sections(root: Path) -> dict[str, Any]:
    path = root / "params.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(
            f"no params.yaml in {root}; run medpipe in a project, or pass --root"
        ) from None
    except yaml.YAMLError as error:
        raise ParamsError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("workloads"), dict):
        raise ParamsError(f"{path} must hold a mapping `workloads:` with one section per workload")
    sections: dict[str, Any] = content["workloads"]
    return sections


def _checked(model: type[S], section: Any, where: str) -> S:
    if not isinstance(section, Mapping):
        raise ParamsError(f"{where} must be a mapping of names to values, not {section!r}")
    try:
        return model.model_validate(dict(section))
    except ValidationError as error:
        lines = [_explained(model, detail, where) for detail in error.errors(include_url=False)]
        raise ParamsError("params.yaml: " + "\n            ".join(lines)) from None


def _explained(model: type[BaseModel], detail: Any, where: str) -> str:
    path = [str(step) for step in detail["loc"]]
    name = ".".join([where, *path])
    if detail["type"] != "extra_forbidden":
        return f"{name} is {detail['input']!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}"
    known = _keys_at(model, path[:-1])
    near = difflib.get_close_matches(path[-1], known, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return f"{name} is not a parameter; {hint}known here: {', '.join(known)}"


def _keys_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """Names of the parameters of the section that `path` leads to."""
    for step in path:
        named = {field.alias or name: field for name, field in model.model_fields.items()}
        inner = named[step].annotation if step in named else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]
