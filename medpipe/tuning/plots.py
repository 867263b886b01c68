"""The curves of a search as SVG, for its page."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from optuna.trial import FrozenTrial, TrialState

from medpipe.config import Axis
from medpipe.evaluation.plots import BLUE, GREEN, ORANGE, QUIET, STYLE
from medpipe.tuning.space import Space

_ACROSS = 3
"""Parameters drawn side by side."""


def pictures(
    trials: Sequence[FrozenTrial], space: Space, result: Mapping[str, Any]
) -> dict[str, str]:
    """SVG texts by name; those for which there is nothing to draw are left out."""
    drawn = {}
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if result["importance"]:
        shares = result["importance"]
        drawn["importance"] = _drawn(
            lambda figure: _importance(figure.add_subplot(), shares),
            height=1.1 + 0.42 * len(shares),
        )
    if complete:
        scored = str(result["scored"])
        drawn["scores"] = _drawn(lambda figure: _scores(figure.add_subplot(), trials, scored))
        drawn["parameters"] = _drawn(
            lambda figure: _parameters(figure, complete, space, scored),
            width=9.6,
            height=2.9 * -(-len(space) // _ACROSS),
        )
    return drawn


def _drawn(draw: Callable[[Figure], None], *, width: float = 9.6, height: float = 4.2) -> str:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    drawn = text.getvalue()
    return drawn[drawn.index("<svg") :]


def _importance(axes: Axes, shares: Mapping[str, float]) -> None:
    names, top = list(shares)[::-1], max(shares.values())
    axes.barh(names, [shares[name] for name in names], color=BLUE, height=0.6)
    for position, name in enumerate(names):
        axes.text(shares[name] + 0.01 * top, position, f"{100 * shares[name]:.0f} %", va="center")
    axes.set(xlim=(0, 1.12 * top), xlabel="Share of the score's variance")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.grid(visible=False, axis="y")


def _scores(axes: Axes, trials: Sequence[FrozenTrial], scored: str) -> None:
    complete = [t for t in trials if t.state == TrialState.COMPLETE and t.value is not None]
    stopped = [t for t in trials if t.state == TrialState.PRUNED and t.intermediate_values]
    if stopped:
        last = [t.intermediate_values[max(t.intermediate_values)] for t in stopped]
        axes.plot(
            [t.number for t in stopped], last, "x", color=QUIET, markersize=6, label="stopped early"
        )
    numbers = [t.number for t in complete]
    values = [float(t.value or 0) for t in complete]
    axes.step(
        numbers, list(accumulate(values, max)), where="post", color=GREEN, label="best so far"
    )
    axes.plot(numbers, values, "o", color=BLUE, markersize=6, label="trial")
    for trial in complete:
        if trial.user_attrs.get("current"):
            axes.plot([trial.number], [trial.value or 0], "D", color=ORANGE, markersize=8,
                      label="params.yaml as it was")  # fmt: skip
    axes.set(xlabel="Trial", ylabel=scored)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="lower right")


def _parameters(figure: Figure, complete: Sequence[FrozenTrial], space: Space, scored: str) -> None:
    rows = -(-len(space) // _ACROSS)
    best = max(complete, key=lambda trial: trial.value or 0.0)
    for position, (name, axis) in enumerate(space.items()):
        axes = figure.add_subplot(rows, min(_ACROSS, len(space)), position + 1)
        for trial in complete:
            _point(axes, trial, name, axis, is_best=trial.number == best.number)
        axes.set_xlabel(name)
        if position % _ACROSS == 0:
            axes.set_ylabel(scored)
        if axis.log:
            axes.set_xscale("log")


def _point(axes: Axes, trial: FrozenTrial, name: str, axis: Axis, *, is_best: bool) -> None:
    value = trial.user_attrs["values"][name]
    axes.plot(
        [str(value) if axis.choices else value],
        [trial.value or 0],
        "o",
        color=ORANGE if is_best else BLUE,
        markersize=8 if is_best else 5,
        zorder=5 if is_best else 2,
    )
