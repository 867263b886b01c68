"""What a search has found: the best point, what mattered, and a page that shows it."""

from __future__ import annotations

import csv
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from medpipe import files, tracking
from medpipe.tuning import page, studies
from medpipe.tuning.trial import Setting

_JUDGED_FROM = 8
"""Completed trials before it is said what mattered; forests on fewer guess."""


def outcome(study: optuna.Study, setting: Setting) -> dict[str, Any]:
    """The search in figures, for JSON.

    Returns
    -------
    dict
        ``best``: trial, score on val, values; None before a trial is complete. ``now``: the score
        of what params.yaml had when the search began; None where it lay outside the space.
        ``importance``: share of the score's variance that each parameter explains; empty before
        `_JUDGED_FROM` trials are complete.
    """
    states = Counter(trial.state.name.lower() for trial in study.trials)
    best = max(_complete(study), key=lambda trial: trial.value or 0.0, default=None)
    now = next((t.value for t in _complete(study) if t.user_attrs.get("current")), None)
    return {
        "workload": setting.workload.name,
        "study": study.study_name,
        "database": studies.shown_url(setting.layout, setting.params),
        "scored": f"{setting.objective.selection} on val",
        "trials": dict(states),
        "now": now,
        "best": best and _described(best),
        "importance": importance(study),
        "page": str(setting.layout.tuning_report / "index.html"),
    }


def finished(study: optuna.Study) -> int:
    """How many trials have an end: complete, or stopped early."""
    return len(study.get_trials(deepcopy=False, states=studies.FINISHED))


def importance(study: optuna.Study) -> dict[str, float]:
    """Share of the variance of the score on val that each parameter explains, most first.

    Functional ANOVA over a random forest of the completed trials; what parameters explain only
    together is left out. Empty where too few trials are complete, or all scored the same.

    References
    ----------
    Hutter, Hoos, Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance",
    ICML 2014.
    """
    if len(_complete(study)) < _JUDGED_FROM:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            return get_param_importances(
                study, evaluator=FanovaImportanceEvaluator(seed=0), normalize=False
            )
        except RuntimeError:  # no variance
            return {}


def publish(study: optuna.Study, setting: Setting, result: dict[str, Any]) -> None:
    """Write page and table into ``reports/<workload>/tune``, and put both into MLflow."""
    layout = setting.layout
    with files.new_folder(layout.tuning_report) as folder:
        _write_table(folder / "trials.csv", study, setting)
        text = page.render(study.trials, setting, result)
        (folder / "index.html").write_text(text, encoding="utf-8")
    best = result["best"] or {"score": None, "values": {}}
    tracking.add_to_run(
        layout,
        tracking.study_run(layout, study.study_name),
        {f"best_val_{setting.objective.selection}": best["score"]},
        [layout.tuning_report / name for name in ("index.html", "trials.csv")],
        folder="tune",
        tags={f"best.{name}": str(value) for name, value in best["values"].items()},
    )


def _complete(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _described(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "score": trial.value,
        "epoch": trial.user_attrs.get("epoch"),
        "run_id": trial.user_attrs.get("run_id"),
        "values": trial.user_attrs["values"],
    }


def _write_table(path: Path, study: optuna.Study, setting: Setting) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["trial", "state", "score", "epochs", *setting.space])
        for trial in study.trials:
            values = trial.user_attrs.get("values", {})
            table.writerow(
                [
                    trial.number,
                    trial.state.name.lower(),
                    "" if trial.value is None else trial.value,
                    len(trial.intermediate_values),
                    *(values.get(name, "") for name in setting.space),
                ]
            )
