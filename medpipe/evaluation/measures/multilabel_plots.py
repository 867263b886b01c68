"""ROC and calibration of each label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from medpipe.evaluation import calibration, plots, words
from medpipe.evaluation.measures.contract import Drawn, Figure, Report
from medpipe.evaluation.measures.multiclass_plots import roc, roc_table, rocs
from medpipe.evaluation.sample import Floats, Sample


def drawn(truth: Floats, risks: Floats, labels: Sequence[str], report: Report) -> Drawn:
    """Curves of `risks` (N, L) for `truth` (N, L), each label having both classes."""
    known = ~np.isnan(truth)
    columns = {
        name: (truth[known[:, k], k] == 1, risks[known[:, k], k]) for k, name in enumerate(labels)
    }
    curves = rocs(columns)
    bins = {
        name: calibration.reliability(Sample.of(yes, scores, np.arange(len(yes))))
        for name, (yes, scores) in columns.items()
    }
    rows = [
        (name, *values)
        for name, found in bins.items()
        for values in zip(found.predicted, found.observed, found.examples, strict=True)
    ]
    found = report["splits"]["test"]["metrics"]
    area, error = words.shown(found["auroc"]), words.shown(found["ece"])
    figures = (
        Figure(
            "roc",
            "Each label (ROC)",
            plots.svg(roc, curves),
            f"ROC curve of each label. Mean area {area}.",
            "The closer to the upper left corner the better.",
            f"Mean area {area}.",
        ),
        Figure(
            "calibration",
            "Risk against outcome (calibration)",
            plots.svg(_calibration, bins),
            f"Predicted risk against observed share, by label. Mean error {error}.",
            "On the dashed line, 20 % predicted means 20 of 100.",
            f"Expected calibration error {error}.",
        ),
    )
    return Drawn(
        {
            "roc": roc_table(curves, "label"),
            "calibration": (("label", "predicted", "observed", "examples"), rows),
        },
        figures,
    )


def _calibration(axes: Axes, bins: Mapping[str, calibration.Bins]) -> None:
    axes.plot([0, 1], [0, 1], color=plots.QUIET, linewidth=1, linestyle=(0, (4, 4)))
    for name, found in bins.items():
        axes.plot(found.predicted, found.observed, "o-", linewidth=1.6, markersize=4, label=name)
    plots.unit_axes(axes, x="Predicted risk", y="Observed share")
    axes.legend(loc="upper left")
