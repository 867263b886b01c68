"""The curves of a report as SVG, for the page and for `dvc plots`."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from medpipe.evaluation import words
from medpipe.evaluation.curves import Curves, tables
from medpipe.evaluation.measures.contract import Cross, Drawn, Figure, Report

INK, QUIET, GRID = "#1f2933", "#52606d", "#d9e2ec"
BLUE, ORANGE, GREEN = "#1d5b8f", "#b8480a", "#1f6f5c"  # each 4.5 : 1 on white or better
STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: it scales, prints and can be read out
    "svg.hashsalt": "medpipe",  # the same report gives the same bytes
    "font.family": "sans-serif",
    "font.size": 10.5,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.9,
    "lines.linewidth": 2.2,
}


def drawn(found: Curves, report: Report) -> Drawn:
    """The curves of a yes-or-no question with what the page says of them."""
    shown = {
        name: words.shown(measured)
        for name, measured in report["splits"]["test"]["metrics"].items()
    }
    figures = (
        Figure(
            "roc",
            "Found against false alarms (ROC)",
            svg(_roc, found),
            f"ROC curve. Area {shown['auroc']}. At the operating point, sensitivity "
            f"{shown['sensitivity']} and specificity {shown['specificity']}.",
            "The closer to the upper left corner the better.",
            f"Area {shown['auroc']}.",
        ),
        Figure(
            "pr",
            "Found against being right (precision–recall)",
            svg(_pr, found),
            f"Precision–recall curve. Average precision {shown['auprc']}.",
            "How many of the flagged have it, as more of those who have it are found.",
            f"Average precision {shown['auprc']}.",
        ),
        Figure(
            "calibration",
            "Risk against outcome (calibration)",
            svg(_calibration, found),
            "Calibration curve: predicted risk against observed share in ten groups of equal size. "
            f"Expected calibration error {shown['ece']}.",
            "On the dashed line, 20 % predicted means 20 of 100.",
            f"Slope {shown['calibration_slope']}, intercept {shown['calibration_intercept']}.",
        ),
        Figure(
            "decision_curve",
            "Is acting on it worth while? (decision curve)",
            svg(_decision, found),
            "Decision curve: net benefit of the model, of acting on everyone and of acting on no "
            "one, by threshold. At the chosen threshold the model's net benefit is "
            f"{shown['net_benefit']}.",
            "Where the blue line is highest, the model serves patients better than treating all "
            "or none.",
            f"At the threshold {shown['net_benefit']}.",
        ),
    )
    return Drawn(tables(found), figures, _cross(found, report))


def _cross(found: Curves, report: Report) -> Cross:
    label, cells = words.condition(report), found.cells
    return Cross(
        f"flagged at a risk of {100 * found.at:.3g} % and above",
        ("flagged", "not flagged"),
        (
            (
                f"with {label}",
                (
                    (cells["true_positives"], "found", True),
                    (cells["false_negatives"], "missed", False),
                ),
            ),
            (
                f"without {label}",
                (
                    (cells["false_positives"], "false alarms", False),
                    (cells["true_negatives"], "rightly left alone", True),
                ),
            ),
        ),
    )


def write(folder: Path, drawn: Drawn | None) -> None:
    """The pictures of `drawn`, one SVG file each; an empty folder where there are none."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {figure.name: figure.svg for figure in drawn.figures} if drawn else {}
    if drawn and drawn.cross:
        pictures["confusion"] = svg(_confusion, drawn.cross)
    for name, picture in pictures.items():
        (folder / f"{name}.svg").write_text(picture, encoding="utf-8")


def svg(draw: Callable[[Axes, Any], None], found: Any) -> str:
    """What `draw` makes of `found` on one pair of axes, as an SVG text."""
    with matplotlib.rc_context(STYLE):
        figure = Canvas(figsize=(4.6, 3.9), layout="constrained")
        draw(figure.add_subplot(), found)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    made = text.getvalue()
    return made[made.index("<svg") :]


def unit_axes(axes: Axes, *, x: str, y: str) -> None:
    """Both axes from 0 to 100 %."""
    axes.set(xlim=(-0.015, 1.015), ylim=(-0.015, 1.015), xlabel=x, ylabel=y)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))


def _point(axes: Axes, x: float, y: float) -> None:
    axes.plot([x], [y], "o", color=ORANGE, markersize=8, label="operating point", zorder=5)


def _roc(axes: Axes, found: Curves) -> None:
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=(0, (4, 4)), label="chance")
    axes.plot(found.false_positives, found.true_positives, color=BLUE, label="model")
    cells = found.cells
    negatives = cells["false_positives"] + cells["true_negatives"]
    positives = cells["true_positives"] + cells["false_negatives"]
    _point(axes, cells["false_positives"] / negatives, cells["true_positives"] / positives)
    unit_axes(axes, x="False alarms, of those without", y="Found, of those with")
    axes.legend(loc="lower right")


def _pr(axes: Axes, found: Curves) -> None:
    axes.axhline(
        found.prevalence, color=QUIET, linewidth=1, linestyle=(0, (4, 4)), label="everyone flagged"
    )
    axes.step(found.recall, found.precision, where="pre", color=BLUE, label="model")
    cells = found.cells
    flagged = cells["true_positives"] + cells["false_positives"]
    if flagged:
        positives = cells["true_positives"] + cells["false_negatives"]
        _point(axes, cells["true_positives"] / positives, cells["true_positives"] / flagged)
    unit_axes(axes, x="Found, of those with", y="Right, of those flagged")
    axes.legend(loc="lower left")


def _calibration(axes: Axes, found: Curves) -> None:
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=(0, (4, 4)), label="perfect")
    bins = found.bins
    axes.plot(bins.predicted, bins.observed, "o-", color=BLUE, markersize=6, label="model")
    axes.axvline(found.at, color=ORANGE, linewidth=1.5, label="threshold")
    unit_axes(axes, x="Predicted risk", y="Observed share")
    axes.legend(loc="upper left")


def _decision(axes: Axes, found: Curves) -> None:
    axes.plot(found.risks, found.treat_all, color=GREEN, linewidth=1.6, label="act on everyone")
    axes.axhline(0, color=QUIET, linewidth=1.6, label="act on no one")
    axes.plot(found.risks, found.net_benefit, color=BLUE, label="act on the model")
    axes.axvline(found.at, color=ORANGE, linewidth=1.5, label="threshold")
    top = max(found.prevalence, float(found.net_benefit.max()))
    axes.set(xlim=(0, 1), ylim=(-0.15 * top, 1.1 * top), ylabel="Net benefit per example")
    axes.set_xlabel("Risk from which one would act")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.legend(loc="upper right")


def _confusion(axes: Axes, cross: Cross) -> None:
    """Counts; the darker a cell, the more of its row are in it."""
    for row, (_, cells) in enumerate(cross.rows):
        whole = max(sum(count for count, _, _ in cells), 1)
        for column, (count, note, right) in enumerate(cells):
            corner = (column - 0.5, row - 0.5)
            colour = BLUE if right else ORANGE
            axes.add_patch(Rectangle(corner, 1, 1, color=colour, alpha=0.5 * count / whole))
            axes.text(column, row, f"{count:,}\n{note}".strip(), ha="center", va="center")
    names = [textwrap.fill(name, 16) for name, _ in cross.rows]
    axes.set(xlim=(-0.5, len(cross.columns) - 0.5), ylim=(len(names) - 0.5, -0.5))
    axes.set_xticks(range(len(cross.columns)), [textwrap.fill(n, 16) for n in cross.columns])
    axes.set_yticks(range(len(names)), names)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)
