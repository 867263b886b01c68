"""One trial: the training that its values give, scored on val."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import optuna

from medpipe import lineage, objectives, tracking
from medpipe.config import Params, flat
from medpipe.errors import DataError, ParamsError
from medpipe.learning import checkpoints, learner, training
from medpipe.learning.checkpoints import Checkpoints
from medpipe.learning.learner import Epoch
from medpipe.objectives.objective import Objective
from medpipe.paths import Layout
from medpipe.tables.ready import Ready
from medpipe.tuning import space as spaces
from medpipe.tuning import studies
from medpipe.tuning.space import Space
from medpipe.workload import Workload

_ONE_DEVICE = {"devices": 1, "nodes": 1, "strategy": "auto"}


@dataclass(frozen=True)
class Setting:
    """What all trials of a search have in common."""

    workload: Workload
    params: Params
    layout: Layout
    space: Space

    @property
    def ready(self) -> Ready:
        return Ready(self.layout.ready)

    @cached_property
    def objective(self) -> Objective:
        return objectives.of(self.workload, self.ready.frame("train"))

    @property
    def facts(self) -> dict[str, Any]:
        """What makes scores comparable, by kind; see `study.opened`."""
        everything = training.facts(self.params, self.ready, self.layout.root)
        for section, key in (name.split(".") for name in self.space):
            del everything[section][key]
        for key in (*_ONE_DEVICE, "device", "threads", "channels_last"):
            everything["train"].pop(key, None)
        data = {name: everything.pop(name) for name in ("receipt", "preprocess", "state")}
        axes = {name: axis.model_dump() for name, axis in self.space.items()}
        return {"space": axes, "data": data, "fixed": everything}


def attempt(trial: optuna.Trial, study: optuna.Study, setting: Setting, *, parent: str) -> float:
    """Train what `trial` suggests; gives the score of its best epoch on val.

    Of a trial whose process was killed the checkpoints and the MLflow run are taken up again.

    Raises
    ------
    optuna.TrialPruned : it is worse than others were, or such values are not possible together;
        attribute ``reason`` of the trial says which
    DataError : the score is undefined on these data
    """
    values = spaces.suggested(trial, setting.space, setting.params)
    trial.set_user_attr("values", values)
    folder = studies.folder(setting.layout, study, trial)
    trial.set_user_attr("folder", folder.name)
    try:
        params = one_device(spaces.applied(setting.params, values))
        facts = training.facts(params, setting.ready, setting.layout.root)
        states = checkpoints.opened(folder / "states", facts)
        score = _recorded(trial, study, setting, params, states, parent)
    except ParamsError as error:
        trial.set_user_attr("reason", str(error))
        raise optuna.TrialPruned from None
    states.remove()
    if score is None:
        trial.set_user_attr("reason", "worse than the median of the trials before it")
        raise optuna.TrialPruned
    return score


def _recorded(
    trial: optuna.Trial,
    study: optuna.Study,
    setting: Setting,
    params: Params,
    states: Checkpoints,
    parent: str,
) -> float | None:
    """The trial's score, with its MLflow run around it; None where it was stopped early."""
    tags = lineage.tags(setting.layout) | {
        "tune.study": study.study_name,
        "tune.trial": str(trial.number),
    }
    with tracking.training_run(
        setting.layout,
        name=f"trial {trial.number}",
        params=flat(params),
        tags=tags,
        run_id=trial.user_attrs.get("run_id"),
        parent=parent,
    ) as run:
        trial.set_user_attr("run_id", run.id)
        return _fitted(trial, setting, params, states, run)


def _fitted(
    trial: optuna.Trial,
    setting: Setting,
    params: Params,
    states: Checkpoints,
    run: tracking.Run,
) -> float | None:
    ready, objective = setting.ready, setting.objective

    def on_epoch(epoch: Epoch) -> None:
        run.metrics(epoch.number, training.figures(epoch, objective))
        trial.report(epoch.score, epoch.number)
        if trial.should_prune():
            raise optuna.TrialPruned

    try:
        fitted = learner.fit(
            training.network(setting.workload, params, ready.state, setting.layout.root),
            objective,
            train=training.rows(ready, "train", objective),
            val=training.rows(ready, "val", objective),
            params=params.train,
            checkpoints=states,
            augment=setting.workload.augment(params.augment),
            on_epoch=on_epoch,
        )
    except optuna.TrialPruned:
        return None
    trial.set_user_attr("epoch", fitted.best.number)
    trial.set_user_attr("resumed_after", fitted.resumed_after)
    if math.isnan(fitted.best.score):
        raise DataError(
            f"{objective.selection} is undefined on val, so trials cannot be compared; val needs "
            "every class: raise split.val, or add patients, and run preprocess again"
        )
    run.metrics(fitted.best.number, {f"best_val_{objective.selection}": fitted.best.score})
    return fitted.best.score


def one_device(params: Params) -> Params:
    """A search spreads over processes; within a trial, several devices would only wait."""
    return params.model_copy(update={"train": params.train.model_copy(update=_ONE_DEVICE)})
