"""How a training went, epoch by epoch, as SVG for `dvc plots`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from medpipe.evaluation.plots import BLUE, GREEN, ORANGE, svg


@dataclass(frozen=True)
class _Lines:
    """Values by epoch, and the epoch whose weights were kept."""

    epochs: Sequence[float]
    lines: Mapping[str, tuple[str, Sequence[float]]]
    label: str
    best: int


def write(
    folder: Path, history: Sequence[Mapping[str, float]], *, selection: str, best: int
) -> None:
    """``loss.svg`` and ``score.svg`` of `history`, one mapping per epoch.

    Parameters
    ----------
    selection : the metric by which the epoch was chosen, ``val_<selection>`` in `history`
    best : the epoch whose weights were kept
    """
    epochs = [epoch["epoch"] for epoch in history]

    def values(name: str) -> Sequence[float]:
        return [epoch[name] for epoch in history]

    losses = {"train": (BLUE, values("loss")), "val": (GREEN, values("val_loss"))}
    scores = {"val": (GREEN, values(f"val_{selection}"))}
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines, label in (("loss", losses, "loss"), ("score", scores, selection)):
        drawn = svg(_by_epoch, _Lines(epochs, lines, label, best))
        (folder / f"{name}.svg").write_text(drawn, encoding="utf-8")


def _by_epoch(axes: Axes, found: _Lines) -> None:
    for name, (colour, values) in found.lines.items():
        axes.plot(found.epochs, values, ".-", color=colour, label=name)
    axes.axvline(found.best, color=ORANGE, linewidth=1.5, label="kept")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="Epoch", ylabel=found.label)
    axes.legend(loc="best")
