"""Truth against answer, as it is and in ten groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from medpipe.evaluation import plots, words
from medpipe.evaluation.measures.contract import Drawn, Figure, Report
from medpipe.evaluation.sample import Floats

_POINTS = 600
"""Most points of the cloud, evenly spread over the answers; more are one blot."""
_BINS = 10


@dataclass(frozen=True)
class Cloud:
    """Answers ascending with truth and ends of their ranges, (n,) each; means of ten groups."""

    answers: Floats
    truth: Floats
    ends: tuple[Floats, Floats]
    mean_answers: Floats
    mean_truth: Floats
    examples: Sequence[int]


def drawn(truth: Floats, answers: Floats, report: Report, *, ends: tuple[Floats, Floats]) -> Drawn:
    """Cloud and calibration of `answers` (N,), with `ends` of their ranges, for `truth` (N,)."""
    order = np.argsort(answers, kind="stable")
    kept = order[np.unique(np.linspace(0, len(order) - 1, _POINTS).round().astype(int))]
    bins = [part for part in np.array_split(order, _BINS) if len(part)]
    cloud = Cloud(
        answers[kept],
        truth[kept],
        (ends[0][kept], ends[1][kept]),
        np.array([answers[part].mean() for part in bins]),
        np.array([truth[part].mean() for part in bins]),
        [len(part) for part in bins],
    )
    found = report["splits"]["test"]["metrics"]
    r2, slope = words.shown(found["r2"]), words.shown(found["calibration_slope"])
    tables: dict[str, tuple[Sequence[str], Sequence[Sequence[Any]]]] = {
        "calibration": (
            ("predicted", "observed", "examples"),
            list(zip(cloud.mean_answers, cloud.mean_truth, cloud.examples, strict=True)),
        ),
        "answers": (
            ("predicted", "observed"),
            list(zip(cloud.answers, cloud.truth, strict=True)),
        ),
    }
    figures = (
        Figure(
            "answers",
            "Truth against answer",
            plots.svg(_cloud, cloud),
            f"Truth by answer, a point per test example, and the range around it. R² {r2}.",
            "On the line the answer is right; between the thin lines its range holds the truth.",
            f"R² {r2}.",
        ),
        Figure(
            "calibration",
            "Right on average? (calibration)",
            plots.svg(_calibration, cloud),
            f"Mean truth by mean answer in ten groups of equal size. Slope {slope}.",
            "On the dashed line, answers are right on average at every height.",
            f"Slope {slope}.",
        ),
    )
    return Drawn(tables, figures)


def _cloud(axes: Axes, cloud: Cloud) -> None:
    span = [cloud.answers[0], cloud.answers[-1]]
    axes.plot(cloud.answers, cloud.truth, ".", color=plots.BLUE, alpha=0.5, markersize=5)
    axes.plot(span, span, color=plots.ORANGE, linewidth=1.5, label="answer")
    for end in cloud.ends:
        axes.plot(cloud.answers, end, color=plots.ORANGE, linewidth=0.8)
    axes.set(xlabel="Answer", ylabel="Truth")
    axes.legend(loc="upper left")


def _calibration(axes: Axes, cloud: Cloud) -> None:
    ends = [cloud.mean_answers[0], cloud.mean_answers[-1]]
    axes.plot(ends, ends, color=plots.QUIET, linewidth=1, linestyle=(0, (4, 4)), label="perfect")
    axes.plot(cloud.mean_answers, cloud.mean_truth, "o-", color=plots.BLUE, label="model")
    axes.set(xlabel="Mean answer", ylabel="Mean truth")
    axes.legend(loc="upper left")
