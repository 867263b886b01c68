"""params.yaml and the environment, read and checked once, at the edge.

The only module that reads YAML or environment variables. Every section is a `Section` (see
`medpipe.sections`): an unknown key is an error that names its neighbours, a wrong type or an
impossible value one that names the limit.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from medpipe import files, params_text
from medpipe.checking import checked
from medpipe.errors import ParamsError
from medpipe.plan import coherent
from medpipe.sections import (
    Axis,
    EvaluateParams,
    ExportParams,
    GateParams,
    ImageParams,
    IngestParams,
    Params,
    PruneParams,
    ServeParams,
    SourceParams,
    SplitParams,
    ThresholdParams,
    TrainParams,
    TuneParams,
    ValidateParams,
)
from medpipe.workload import Workload

__all__ = [
    "Axis",
    "EvaluateParams",
    "ExportParams",
    "GateParams",
    "ImageParams",
    "IngestParams",
    "Params",
    "PruneParams",
    "ServeParams",
    "SourceParams",
    "SplitParams",
    "ThresholdParams",
    "TrainParams",
    "TuneParams",
    "ValidateParams",
    "add_workload",
    "child_environment",
    "described",
    "effective",
    "environment",
    "flat",
    "load",
    "locked_hash",
    "parse",
    "prefer",
    "set_values",
    "shared",
    "spelled",
    "workload_names",
]

S = TypeVar("S", bound=BaseModel)
_TUNED = ("train", "model", "augment")
"""Sections whose parameters tuning may change."""


class _Loader(yaml.SafeLoader):
    """YAML as people and DVC read it: to plain PyYAML, 1e-4 is a text and 1.0e-4 a number."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


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
    params = checked(Params, section, where)
    types = {
        "preprocess": workload.encode_params,
        "model": workload.model_params,
        "augment": workload.augment_params,
    }
    own = {
        name: checked(model, getattr(params, name) or {}, f"{where}.{name}")
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
    coherent.ensure(params.plan, params.gate, effective(params), where=f"{where}.plan")
    for name, axis in params.tune.space.items():
        _check_axis(params, name, axis, f"{where}.tune.space.{name}")
    return params


def shared(root: Path, model: type[S], name: str) -> S:
    """The checked section `name` beside `workloads` in ``root/params.yaml``; all share it."""
    path, text = _text(root)
    content = _content(text, path)
    return checked(model, (content or {}).get(name) or {}, name)


def effective(params: Params) -> dict[str, Any]:
    """Every parameter with its default filled in, as JSON, to be saved beside a result.

    Path and options of the source are left out, because a folder's or a file's name may spell a
    person's; what the source held is identified by the version of raw. So are sections `tune`,
    which decides nothing and may name a database, `image`, `monitor` and `release`, which change no
    answer, and `plan`, which has a digest of its own in the certificate.
    """
    whole: Any = dict.fromkeys(("tune", "image", "monitor", "release", "plan"), True)
    left_out = {"source": {"path", "options"}} | whole
    return params.model_dump(mode="json", by_alias=True, exclude=left_out)


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


def set_values(root: Path, workload: Workload, values: Mapping[str, Any]) -> None:
    """Write `values` (dotted name → value) into the section of `workload` in params.yaml.

    Nothing else of the file changes, not even the space before a comment.

    Raises
    ------
    ParamsError : a value that is not allowed, or a place that cannot be written without changing
        another, because it is an anchor; the file is as it was
    """
    path, text = _text(root)
    expected = _content(text, path)
    for name, value in values.items():
        steps = ("workloads", workload.name, *name.split("."))
        text = params_text.with_value(text, _tree(text), steps, _spelled(value))
        _put(expected, steps, value)
    parse(expected["workloads"][workload.name], workload)
    _replace(path, text, expected)


def add_workload(root: Path, name: str, *, like: str) -> None:
    """Add to params.yaml a section `name`: that of `like`, with its comments.

    Raises
    ------
    ParamsError : there is a section `name`, or none of `like`
    """
    sections = _sections(root)
    if name in sections:
        raise ParamsError(
            f"params.yaml has a section workloads.{name} already; nothing was changed"
        )
    if like not in sections:
        raise ParamsError(f"params.yaml has no section workloads.{like} that could be copied")
    path, text = _text(root)
    expected = _content(text, path)
    expected["workloads"][name] = sections[like]
    _replace(path, params_text.with_copy(text, _tree(text), name, like), expected)


def spelled(workload: str, values: Mapping[str, Any]) -> str:
    """`values` (dotted name → value) as the lines that stand for them in params.yaml."""
    content: dict[str, Any] = {}
    for name, value in values.items():
        _put(content, ("workloads", workload, *name.split(".")), value)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _sections(root: Path) -> dict[str, Any]:
    path, text = _text(root)
    content = _content(text, path)
    if not isinstance(content, dict) or not isinstance(content.get("workloads"), dict):
        raise ParamsError(f"{path} must hold a mapping `workloads:` with one section per workload")
    sections: dict[str, Any] = content["workloads"]
    return sections


def _text(root: Path) -> tuple[Path, str]:
    path = root / "params.yaml"
    try:
        return path, path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise ParamsError(
            f"no params.yaml in {root}; run medpipe in a project, or pass --root"
        ) from None


def _content(text: str, path: Path) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ParamsError(f"{path} is not valid YAML: {error}") from None


def _tree(text: str) -> yaml.Node:
    tree = yaml.compose(text, Loader=_Loader)
    assert tree is not None  # a file without content has no section, which is said before
    return tree


def _replace(path: Path, text: str, expected: Any) -> None:
    """Put `text` in place of the file, if it says what is `expected` and nothing else."""
    try:
        is_right = bool(yaml.load(text, Loader=_Loader) == expected)
    except yaml.YAMLError:
        is_right = False
    if not is_right:
        raise ParamsError(
            f"{path} is written so that this cannot be changed without changing something else "
            "(an anchor, braces); change it by hand"
        )
    with files.new_file(path) as partial:
        partial.write_bytes(text.encode("utf-8"))


def _spelled(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True).split("\n")[0]


def _put(content: Any, steps: Sequence[str], value: Any) -> None:
    *sections, name = steps
    for step in sections:
        if not content.get(step):
            content[step] = {}
        content = content[step]
    content[name] = value


def _check_axis(params: Params, name: str, axis: Axis, where: str) -> None:
    """Raise ParamsError unless `name` is a parameter that tuning may set to all of `axis`."""
    known = {
        f"{section}.{field.alias or key}": field
        for section in _TUNED
        for key, field in type(getattr(params, section)).model_fields.items()
    }
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise ParamsError(
            f"params.yaml: {where} is not a parameter that can be tuned; {hint}"
            f"it may be one of section {', '.join(_TUNED)}, as `medpipe params` lists them"
        )
    field = known[name]
    limited: Any = Annotated[field.annotation, Field(), *field.metadata]
    allowed: TypeAdapter[Any] = TypeAdapter(limited, config=ConfigDict(strict=True))
    for value in axis.ends:
        try:
            allowed.validate_python(value)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]["msg"]
            raise ParamsError(
                f"params.yaml: {where}: {value!r}: {problem[0].lower()}{problem[1:]}"
            ) from None
