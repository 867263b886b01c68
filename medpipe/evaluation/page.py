"""The report as one page that a clinician reads offline: it loads nothing from anywhere."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from medpipe.evaluation import uncertainty, words
from medpipe.evaluation.measures.contract import Chosen, Drawn, Figure, Measures
from medpipe.workload import Picture, Reason


@dataclass(frozen=True)
class Explained:
    """One example with its explanation drawn over it.

    Parameters
    ----------
    chosen : which, and what the model says of it
    picture : as the workload drew it
    reasons : what moved the answer most, in words
    """

    chosen: Chosen
    picture: Picture
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class ForestRow:
    """One line of the subgroup plot; positions in per cent of its width, None where not judged."""

    name: str
    examples: int
    positives: int | None
    main: str
    second: str
    why: str
    left: float | None = None
    width: float | None = None
    point: float | None = None


def render(
    report: Mapping[str, Any],
    measures: Measures[Any],
    drawn: Drawn | None,
    examples: Sequence[Explained],
) -> str:
    """The page's HTML.

    Parameters
    ----------
    report : report.json
    drawn : curves of the test split; None where it lacks a class
    examples : drawn in the order in which they are to be seen
    """
    rows, start = forest(report, second=measures.second)
    return _template().render(
        report=report,
        measures=measures,
        test=report["splits"]["test"],
        cross=drawn.cross if drawn else None,
        figures=[(f, _embedded(f.svg.encode(), "image/svg+xml")) for f in _figures(drawn)],
        alerts=[*measures.alerts(report), *uncertainty.alerts(report), *words.alerts(report)],
        forest=rows,
        forest_start=start,
        examples=[
            (e.chosen, e.reasons, _embedded(e.picture.data, e.picture.media_type)) for e in examples
        ],
        charts=any(e.picture.media_type == "image/svg+xml" for e in examples),
        splits=[(name, split) for name, split in report["splits"].items() if split],
        words=words,
        uncertainty=uncertainty,
    )


def forest(
    report: Mapping[str, Any], *, second: str
) -> tuple[list[tuple[str, list[ForestRow]]], float]:
    """Rows by column, the whole first, and the main metric at the left edge of the plot."""
    test, main = report["splits"]["test"], report["objective"]["main"]
    whole = {**test, "value": "all test examples", "judged": True, "why": "", "column": ""}
    entries = [whole, *report["subgroups"]]
    lows = [entry["metrics"][main]["low"] for entry in entries if entry["metrics"]]
    start = min([0.9, *(math.floor(low * 20) / 20 for low in lows if low is not None)])
    grouped: dict[str, list[ForestRow]] = {}
    for entry in entries:
        row = _row(entry, start, main=main, second=second)
        grouped.setdefault(entry["column"].replace("_", " "), []).append(row)
    return list(grouped.items()), start


def _row(entry: Mapping[str, Any], start: float, *, main: str, second: str) -> ForestRow:
    metrics = entry["metrics"] or {}
    found = metrics.get(main, {})
    row = ForestRow(
        name=str(entry["value"]),
        examples=entry["examples"],
        positives=entry["positives"],
        main=words.shown(found),
        second=words.shown(metrics.get(second)),
        why=entry["why"],
    )
    if found.get("low") is None:
        return row
    low, point, high = (
        100 * (max(found[key], start) - start) / (1 - start) for key in ("low", "value", "high")
    )
    return replace(row, left=round(low, 2), width=round(high - low, 2), point=round(point, 2))


def _figures(drawn: Drawn | None) -> tuple[Figure, ...]:
    return drawn.figures if drawn else ()


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
