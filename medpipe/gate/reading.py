"""What stands in a report, and how a clinician reads it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Report = Mapping[str, Any]
"""report.json, as `docs/architecture.md` describes it."""


def at(report: Any, *path: str) -> Any:
    """What stands at `path`; None as soon as a step is missing."""
    for step in path:
        if not isinstance(report, Mapping):
            return None
        report = report.get(step)
    return report


def number(measured: Any, *path: str) -> float | None:
    """The finite number that stands at `path`; None where there is none."""
    return finite(at(measured, *path))


def finite(value: Any) -> float | None:
    """`value`, if it is a finite number, and no truth value."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def undefined(label: str, measured: Any) -> str:
    """Why there is no number of `label`, in words."""
    reason = at(measured, "undefined")
    return f"{label} is undefined: {reason}" if reason else f"{label} is not in the report"


def shown(value: float, limit: float) -> str:
    """Four digits, or all of them where four would make it look equal to the limit."""
    short = f"{value:.4g}"
    return short if value == limit or float(short) != limit else repr(value)


def named(metric: str) -> str:
    """`metric` as a clinician reads it: abbreviations in capitals."""
    short = {"auroc", "auprc", "ppv", "npv", "f1", "ece", "mae", "rmse"}
    if metric in short:
        return metric.upper()
    return {"r2": "R²"}.get(metric, metric.replace("_", " ").capitalize())


def numbers(value: Any) -> bool:
    """Whether `value` is a finite number, or a list of such, or of lists of them."""
    if isinstance(value, list) and value:
        return all(map(numbers, value))
    return finite(value) is not None


def spoken(value: Any) -> str:
    """A number, or numbers in lists, as they are read."""
    return "/".join(map(spoken, value)) if isinstance(value, list) else f"{value:.4g}"


def direction(candidate: Report, metric: str) -> str | None:
    """Where the best value of `metric` lies: higher, lower, one or zero; None: not measured."""
    found = at(candidate, "objective", "better", metric)
    return str(found) if found is not None else None


def main_metric(candidate: Report) -> str:
    """By which champion, baseline and subgroups are compared."""
    return str(at(candidate, "objective", "main"))
