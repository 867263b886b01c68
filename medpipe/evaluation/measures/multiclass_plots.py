"""ROC of each class against the rest, and whether the called class is as sure as it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from medpipe.evaluation import calibration, discrimination, plots, words
from medpipe.evaluation.curves import thinned
from medpipe.evaluation.measures.contract import Cross, Drawn, Figure, Report
from medpipe.evaluation.sample import Floats, Sample

Rocs = Mapping[str, tuple[Floats, Floats, Floats]]


def rocs(columns: Mapping[str, tuple[NDArray[np.bool_], Floats]]) -> Rocs:
    """Name → false and true positive share and threshold, from labels and scores (N,)."""
    return {
        name: thinned(
            discrimination.roc_curve(Sample.of(labels, scores, np.arange(len(scores))).counts())
        )
        for name, (labels, scores) in columns.items()
    }


def roc_table(found: Rocs, kind: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
    """Header and rows of roc.csv, one curve after the other."""
    rows = [
        (name, *values)
        for name, (false, true, at) in found.items()
        for values in zip(false, true, np.where(np.isfinite(at), at, 1.0), strict=True)
    ]
    return (kind, "false_positive_share", "true_positive_share", "threshold"), rows


def drawn(truth: NDArray[Any], shares: Floats, classes: Sequence[str], report: Report) -> Drawn:
    """Curves and confusion of `shares` (N, K) for `truth` (N,), every class being there."""
    called = shares.argmax(axis=1)
    curves = rocs({name: (truth == k, shares[:, k]) for k, name in enumerate(classes)})
    sure = Sample.of(called == truth, shares.max(axis=1), np.arange(len(truth)))
    bins = calibration.reliability(sure)
    tables = {
        "roc": roc_table(curves, "class"),
        "calibration": (
            ("predicted", "observed", "examples"),
            list(zip(bins.predicted, bins.observed, bins.examples, strict=True)),
        ),
    }
    found = report["splits"]["test"]["metrics"]
    area, error = words.shown(found["auroc"]), words.shown(found["ece"])
    figures = (
        Figure(
            "roc",
            "Each class against the rest (ROC)",
            plots.svg(roc, curves),
            f"ROC curve of each class. Mean area {area}.",
            "The closer to the upper left corner the better.",
            f"Mean area {area}.",
        ),
        Figure(
            "calibration",
            "As sure as it says? (calibration)",
            plots.svg(_calibration, bins),
            f"Probability of the called class against how often it is right. Error {error}.",
            "On the dashed line, 80 % sure means right in 80 of 100.",
            f"Expected calibration error {error}.",
        ),
    )
    return Drawn(tables, figures, _cross(truth, called, classes))


def roc(axes: Axes, found: Rocs) -> None:
    """One curve for each name."""
    axes.plot([0, 1], [0, 1], color=plots.QUIET, linewidth=1, linestyle=(0, (4, 4)))
    for name, (false, true, _) in found.items():
        axes.plot(false, true, linewidth=1.6, label=name)
    plots.unit_axes(axes, x="False alarms, of those without", y="Found, of those with")
    axes.legend(loc="lower right")


def _calibration(axes: Axes, bins: calibration.Bins) -> None:
    axes.plot(
        [0, 1], [0, 1], color=plots.QUIET, linewidth=1, linestyle=(0, (4, 4)), label="perfect"
    )
    axes.plot(bins.predicted, bins.observed, "o-", color=plots.BLUE, markersize=6, label="model")
    plots.unit_axes(axes, x="Probability of the called class", y="Share that is right")
    axes.legend(loc="upper left")


def _cross(truth: NDArray[Any], called: NDArray[Any], classes: Sequence[str]) -> Cross:
    rows = tuple(
        (
            f"truly {name}",
            tuple(
                (int(((truth == k) & (called == j)).sum()), "", k == j) for j in range(len(classes))
            ),
        )
        for k, name in enumerate(classes)
    )
    return Cross("each called its most probable class", tuple(f"called {n}" for n in classes), rows)
