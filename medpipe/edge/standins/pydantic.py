"""Stands in for pydantic: what sections of params.yaml declare is read by nobody at the edge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any


class BaseModel:
    """A declaration."""


class ValidationError(ValueError):
    """Never raised: settings.json was checked by the gate and is held to its digest."""

    def errors(self) -> list[dict[str, Any]]:
        """None."""
        return []


class TypeAdapter:
    """Fills a dataclass, such as an operating point, from JSON."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def validate_python(self, values: Mapping[str, Any]) -> Any:
        """The fields of `values` that the dataclass has; lists become tuples."""
        named = {field.name for field in fields(self._kind)}
        known = {name: value for name, value in values.items() if name in named}
        return self._kind(**{n: tuple(v) if isinstance(v, list) else v for n, v in known.items()})


def ConfigDict(**options: Any) -> dict[str, Any]:  # noqa: N802 - its name
    """The options."""
    return options


def Field(default: Any = None, **_: Any) -> Any:  # noqa: N802 - its name
    """The default."""
    return default


def model_validator(**_: Any) -> Callable[[Any], Any]:
    """A decorator that changes nothing."""
    return lambda function: function
