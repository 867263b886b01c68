"""Results in words: a metric with its interval, and a stage's outcome as one line of a log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_DIGEST = 64
"""Hexadecimal digits of a SHA-256; the first twelve tell two apart."""


def measured(found: Mapping[str, Any]) -> str:
    """A metric as ``0.934 (0.902–0.957)``, or why it has no value."""
    if found["value"] is None:
        return f"undefined: {found['undefined']}" if found.get("undefined") else "undefined"
    value = _signed(f"{found['value']:z.3f}")
    return value if found.get("low") is None else f"{value} ({between(found, digits=3)})"


def between(found: Mapping[str, Any], *, digits: int) -> str:
    """The interval alone."""
    to = " to " if found["low"] < 0 else "–"  # a dash would be read as another minus
    return _signed(f"{found['low']:z.{digits}f}{to}{found['high']:z.{digits}f}")


def told(outcome: Mapping[str, Any]) -> str:
    """A stage's outcome, without what is nought or long; empty where there is nothing to tell.

    Examples
    --------
    >>> told({"items": 909, "new": 0, "quarantined": {"duplicate": 18}, "passed": True})
    'items 909, quarantined (duplicate: 18), passed yes'
    >>> told({"auroc": {"value": 0.9461, "low": 0.8983, "high": 0.9726, "count": 3}})
    'auroc 0.946 (0.898–0.973)'
    """
    said = {name.replace("_", " "): _value(value) for name, value in outcome.items()}
    return ", ".join(f"{name} {value}" for name, value in said.items() if value)


def _value(value: Any) -> str:
    """`value` in words; empty where it is nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, str):
        return value[:12] if len(value) == _DIGEST else value
    if isinstance(value, Mapping):
        return measured(value) if {"value", "low", "high"} <= set(value) else _listed(value)
    if isinstance(value, Sequence):
        long = any(isinstance(one, Mapping) for one in value)
        return str(len(value)) if long else ", ".join(map(_value, value))
    return str(value) if value else ""


def _listed(values: Mapping[str, Any]) -> str:
    """Names may be whole sentences, so a colon stands behind each."""
    said = {
        name: told(value) if isinstance(value, Mapping) else _value(value)
        for name, value in values.items()
    }
    listed = "; ".join(f"{name}: {value}" for name, value in said.items() if value)
    return listed and f"({listed})"


def _signed(text: str) -> str:
    return text.replace("-", "−")
