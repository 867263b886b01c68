"""params.yaml and the environment, read and checked once, at the edge.

The only module that reads YAML or environment variables. Every section is a `Section` (see
`medpipe.sections`): an unknown key is an error that names its neighbours, a wrong type or an
impossible value one that names the limit.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from medpipe.errors import ParamsError
from medpipe.sections import (
    EvaluateParams,
    ExportParams,
    GateParams,
    IngestParams,
    Params,
    ServeParams,
    SourceParams,
    SplitParams,
    ThresholdParams,
    TrainParams,
    ValidateParams,
)
from medpipe.workload import Workload

__all__ = [
    "EvaluateParams",
    "ExportParams",
    "GateParams",
    "IngestParams",
    "Params",
    "ServeParams",
    "SourceParams",
    "SplitParams",
    "ThresholdParams",
    "TrainParams",
    "ValidateParams",
    "child_environment",
    "described",
    "effective",
    "environment",
    "flat",
    "load",
    "locked_hash",
    "parse",
    "prefer",
    "workload_names",
]

S = TypeVar("S", bound=BaseModel)


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
