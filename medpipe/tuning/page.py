"""The search as one page that opens anywhere: no script, no other file, no other host."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from optuna.trial import FrozenTrial, TrialState

from medpipe import config, evaluation
from medpipe.tuning import plots
from medpipe.tuning.trial import Setting

_TEMPLATES = (Path(__file__).parent, Path(evaluation.__file__).parent / "templates")
_LISTED = 10
"""Best trials that the page lists; the table beside it has all."""


def render(trials: Sequence[FrozenTrial], setting: Setting, result: Mapping[str, Any]) -> str:
    """The page's HTML; `result` is that of `found.outcome`."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    drawn = plots.pictures(trials, setting.space, result)
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    best = result["best"]
    return environment.get_template("page.html.j2").render(
        title=setting.workload.title,
        result=result,
        lines=config.spelled(setting.workload.name, best["values"]) if best else "",
        images={name: _embedded(svg) for name, svg in drawn.items()},
        ranked=sorted(complete, key=lambda trial: -(trial.value or 0.0))[:_LISTED],
        names=list(setting.space),
    )


def _embedded(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode('ascii')}"
