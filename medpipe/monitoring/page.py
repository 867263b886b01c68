"""The verdict as one page that opens anywhere: no script, no other file, no other host.

Our own page rather than Evidently's: that one draws rows, and of what was seen only bins are kept;
it would decide by its own tests beside our verdict, and it brings a server, plotly and nltk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from medpipe import evaluation
from medpipe.monitoring import judge, verdict
from medpipe.monitoring.drift import Counted
from medpipe.monitoring.facts import Fact
from medpipe.monitoring.judge import Matter
from medpipe.monitoring.policy import MonitorParams

_TEMPLATES = (Path(__file__).parent, Path(evaluation.__file__).parent / "templates")
_DRAWN = 52
"""Verdicts of the history that the page shows."""
_STILL = 0.5
"""Corrected p from which a fact of a part is folded away: there may be hundreds."""


@dataclass(frozen=True)
class Bar:
    """One bin of a fact: its share in the reference and now, in per cent of what was stated."""

    name: str
    before: float
    now: float


@dataclass(frozen=True)
class Sides:
    """The bins of each fact, by name, of the newest window that was judged."""

    facts: Mapping[str, tuple[Bar, ...]]

    @classmethod
    def of(cls, matter: Matter, policy: MonitorParams) -> Sides:
        """Those of `matter`; none where no window was judged."""
        judged = judge.large(matter.found, policy)
        if not judged:
            return cls({})
        return cls(
            {
                fact.name: _bars(fact, Counted.among(fact, judged[-1].places[:, index]))
                for index, fact in enumerate(matter.watched.facts)
            }
        )


def render(
    result: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    sides: Sides,
    title: str,
) -> str:
    """The page's HTML."""
    facts = sorted(
        result["facts"],
        key=lambda fact: (not fact["lasting"], not fact["moved"], fact["p"], -abs(fact["size"])),
    )
    whole = [fact for fact in facts if not fact["whom"]]
    parts = [fact for fact in facts if fact["whom"]]
    return _template().render(
        result=result,
        title=title,
        whole=whole,
        parts=[fact for fact in parts if fact["p"] < _STILL],
        still=[fact for fact in parts if fact["p"] >= _STILL],
        bars=sides.facts,
        history=list(history[-_DRAWN:]),
        words={
            "auroc": "AUROC",
            "observed_expected": "Observed over expected",
            "brier": "Brier score",
            "estimated_auroc": "AUROC if every risk is right",
        },
    )


def _bars(fact: Fact, now: Counted) -> tuple[Bar, ...]:
    before = Counted.of(fact).bins
    shares = [100 * counts / max(1, counts.sum()) for counts in (before, now.bins)]
    return tuple(
        Bar(name, float(first), float(second))
        for name, first, second in zip(_names(fact), *shares, strict=True)
    )


def _names(fact: Fact) -> list[str]:
    if fact.edges:
        first, *rest = fact.edges
        names = [f"below {first:.4g}"]
        names += [f"{low:.4g} to {high:.4g}" for low, high in zip(fact.edges, rest, strict=False)]
        return [*names, f"from {fact.edges[-1]:.4g}", *fact.words]
    return [*fact.words, "any other"]


def _moment(at: str) -> str:
    """An ISO time in UTC, to the minute; of a midnight, the day."""
    day, time = at[:10], at[11:16]
    return day if time == "00:00" else f"{day} {time} UTC"


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"moment": _moment, "chance": verdict.chance}
    return environment.get_template("page.html.j2")
