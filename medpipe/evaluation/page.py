"""The report as one page that a clinician reads offline: it loads nothing from anywhere."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from medpipe.evaluation import words
from medpipe.evaluation.curves import Curves
from medpipe.evaluation.plots import pictures
from medpipe.workload import Picture, Reason

Kind = Literal["found", "missed", "false alarm"]


@dataclass(frozen=True)
class Explained:
    """One example with its explanation drawn over it.

    Parameters
    ----------
    example : pseudonym
    picture : as the workload drew it
    reasons : what moved the answer most, in words
    """

    example: str
    kind: Kind
    probability: float
    picture: Picture
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class ForestRow:
    """One line of the subgroup plot; positions in per cent of its width, None where not judged."""

    name: str
    examples: int
    positives: int
    auroc: str
    sensitivity: str
    why: str
    left: float | None = None
    width: float | None = None
    point: float | None = None


def render(report: Mapping[str, Any], found: Curves | None, examples: Sequence[Explained]) -> str:
    """The page's HTML.

    Parameters
    ----------
    report : report.json
    found : curves of the test split; None where it lacks a class
    examples : drawn in the order in which they are to be seen
    """
    images = {name: _embedded(svg.encode(), "image/svg+xml") for name, svg in _drawn(found)}
    rows, start = forest(report)
    return _template().render(
        report=report,
        test=report["splits"]["test"],
        cells=found.cells if found else None,
        images=images,
        alerts=words.alerts(report),
        headline=words.headline(report),
        forest=rows,
        forest_start=start,
        examples=[(e, _embedded(e.picture.data, e.picture.media_type)) for e in examples],
        splits=[(name, split) for name, split in report["splits"].items() if split],
        words=words,
    )


def forest(report: Mapping[str, Any]) -> tuple[list[tuple[str, list[ForestRow]]], float]:
    """Rows by column, the whole first, and the AUROC at the left edge of the plot."""
    test = report["splits"]["test"]
    whole = {**test, "value": "all test examples", "judged": True, "why": "", "column": ""}
    entries = [whole, *report["subgroups"]]
    lows = [entry["metrics"]["auroc"]["low"] for entry in entries if entry["metrics"]]
    start = min([0.9, *(int(low * 20) / 20 for low in lows if low is not None)])
    grouped: dict[str, list[ForestRow]] = {}
    for entry in entries:
        grouped.setdefault(entry["column"].replace("_", " "), []).append(_row(entry, start))
    return list(grouped.items()), start


def _row(entry: Mapping[str, Any], start: float) -> ForestRow:
    metrics = entry["metrics"] or {}
    auroc = metrics.get("auroc", {})
    row = ForestRow(
        name=str(entry["value"]),
        examples=entry["examples"],
        positives=entry["positives"],
        auroc=words.shown(auroc),
        sensitivity=words.shown(metrics.get("sensitivity")),
        why=entry["why"],
    )
    if auroc.get("low") is None:
        return row
    low, point, high = (
        100 * (max(auroc[key], start) - start) / (1 - start) for key in ("low", "value", "high")
    )
    return replace(row, left=round(low, 2), width=round(high - low, 2), point=round(point, 2))


def _drawn(found: Curves | None) -> list[tuple[str, str]]:
    return list(pictures(found).items()) if found else []


def _embedded(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("medpipe.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")
