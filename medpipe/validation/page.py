"""What validate found, as one page that opens anywhere: no script, no other file, no other host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from medpipe.validation.rules import Finding
from medpipe.validation.summary import FEW, Bar, ColumnSummary
from medpipe.workload import Workload

_TEMPLATE = "page.html.j2"
_HEIGHT = 48
"""Of a histogram, in px."""


@dataclass(frozen=True)
class Drawn:
    """A bar in its place: x and y of the upper left corner, width and height in px."""

    x: float
    y: float
    width: float
    height: float
    title: str
    few: bool


def render(
    workload: Workload,
    findings: Sequence[Finding],
    summaries: Sequence[ColumnSummary],
    *,
    rows: int,
    parts: int,
    version: str,
) -> str:
    """The page as HTML.

    Parameters
    ----------
    findings : one per rule, in the order of the page
    summaries : one per small column
    rows, parts, version : of raw
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    ordered = sorted(findings, key=lambda f: (f.passed, f.rule.severity != "critical"))
    return environment.get_template(_TEMPLATE).render(
        workload=workload,
        findings=ordered,
        stopping=[f for f in findings if f.stops],
        warnings=[f for f in findings if not f.passed and not f.stops],
        summaries=summaries,
        drawn=drawn,
        rows=rows,
        parts=parts,
        version=version,
        few=FEW,
    )


def drawn(bars: Sequence[Bar], width: float = 220.0) -> list[Drawn]:
    """`bars` side by side in `width` × 48 px; the tallest fills the height, few is 2 px high."""
    top = max((bar.count or 0 for bar in bars), default=0) or 1
    step = width / max(len(bars), 1)
    result = []
    for index, bar in enumerate(bars):
        height = 2.0 if bar.count is None else _HEIGHT * bar.count / top
        count = f"fewer than {FEW}" if bar.count is None else f"{bar.count}"
        place = (round(index * step, 2), round(_HEIGHT - height, 2))
        size = (round(max(step - 1, 1), 2), round(height, 2))
        result.append(Drawn(*place, *size, f"{bar.name}: {count}", bar.count is None))
    return result
