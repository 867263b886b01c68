"""A section of params.yaml as its checked model; what is wrong with it, in words."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from medpipe.errors import ParamsError

S = TypeVar("S", bound=BaseModel)


def checked(model: type[S], section: Any, where: str) -> S:
    """`section` as `model`.

    Parameters
    ----------
    where : its dotted name

    Raises
    ------
    ParamsError : a wrong key, with its neighbours; a wrong type or value, with the limit
    """
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
    near = difflib.get_close_matches(path[-1], known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return f"{name} is not a parameter; {hint}known here: {', '.join(known)}"


def _keys_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """Names of the parameters of the section that `path` leads to."""
    annotation: Any = model
    for step in path:
        if get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
            continue
        named = {field.alias or name: field for name, field in annotation.model_fields.items()}
        annotation = named[step].annotation if step in named else None
        if get_origin(annotation) is not dict and not _is_section(annotation):
            return []
    if not _is_section(annotation):
        return []
    return [field.alias or name for name, field in annotation.model_fields.items()]


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
