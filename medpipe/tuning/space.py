"""Where a search looks, and the parameters that a point of it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import optuna
from pydantic import ValidationError

from medpipe.config import Axis, Params
from medpipe.errors import ParamsError

Value = bool | int | float | str
Space = Mapping[str, Axis]
"""Dotted name of a parameter → where to look."""
_DIGITS = 3
"""Significant digits of a value that is tried: what is scored is what params.yaml will say."""


def of(params: Params) -> Space:
    """The space that params.yaml gives; without one, what matters nearly always."""
    if params.tune.space:
        return params.tune.space
    steep = params.train.optimiser in ("sgd", "momentum")
    found = {
        "train.learning_rate": Axis(
            low=1e-3 if steep else 1e-4, high=1e-1 if steep else 1e-2, log=True
        ),
        "train.l2": Axis(low=1e-6, high=1e-2, log=True),
    }
    if "dropout" in type(params.model).model_fields:
        found["model.dropout"] = Axis(low=0, high=0.5)
    return found


def current(space: Space, params: Params) -> dict[str, Value] | None:
    """What params.yaml has now, as a point of `space`; None where it lies outside."""
    point = {name: getattr(*_place(params, name)) for name in space}
    inside = all(
        value in axis.choices if axis.choices else _between(value, axis)
        for value, axis in zip(point.values(), space.values(), strict=True)
    )
    return point if inside else None


def suggested(trial: optuna.Trial, space: Space, params: Params) -> dict[str, Value]:
    """The point that the search wants to be tried next."""
    return {name: _suggested(trial, name, axis, params) for name, axis in space.items()}


def applied(params: Params, values: Mapping[str, Value]) -> Params:
    """`params` with `values` (dotted name → value).

    Raises
    ------
    ParamsError : the values exclude one another
    """
    for name, value in values.items():
        section, key = _place(params, name)
        try:
            changed = type(section).model_validate({**section.model_dump(), key: value})
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]["msg"]
            raise ParamsError(f"{name} {value}: {problem}") from None
        params = params.model_copy(update={name.partition(".")[0]: changed})
    return params


def _suggested(trial: optuna.Trial, name: str, axis: Axis, params: Params) -> Value:
    if axis.choices:
        chosen: Any = trial.suggest_categorical(name, axis.choices)
        return axis.choices[axis.choices.index(chosen)]
    assert axis.low is not None
    assert axis.high is not None
    if _is_whole(name, params):
        return trial.suggest_int(name, int(axis.low), int(axis.high), log=axis.log)
    value = trial.suggest_float(name, axis.low, axis.high, log=axis.log)
    return float(min(max(float(f"{value:.{_DIGITS}g}"), axis.low), axis.high))


def _is_whole(name: str, params: Params) -> bool:
    section, key = _place(params, name)
    annotation = type(section).model_fields[key].annotation
    return float not in (annotation, *get_args(annotation))


def _between(value: Any, axis: Axis) -> bool:
    assert axis.low is not None
    assert axis.high is not None
    return value is not None and bool(axis.low <= value <= axis.high)


def _place(params: Params, name: str) -> tuple[Any, str]:
    section, _, key = name.partition(".")
    return getattr(params, section), key
