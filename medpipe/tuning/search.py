"""Trial after trial, in one process or in several that share a database."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from medpipe import config, files, tracking
from medpipe.config import Params
from medpipe.errors import MedpipeError, MissingStageError
from medpipe.learning import hardware
from medpipe.paths import Layout
from medpipe.tuning import found, space, studies
from medpipe.tuning.trial import Setting, attempt, one_device
from medpipe.workload import Workload

_TURN = "turn.lock"
"""Held by the process that chooses a trial or writes the page."""
_log = logging.getLogger(__name__)


def tune(
    workload: Workload, params: Params, layout: Layout, *, trials: int, processes: int = 1
) -> dict[str, Any]:
    """Go on with the search until `trials` are finished in all; see `found.outcome` for the result.

    Whoever calls it again, after a kill or in a second window, goes on with the same search.

    Raises
    ------
    DataError : a side without rows, or a score that is undefined on val
    MissingStageError : there is no ready
    ParamsError : hardware that is not there, or a database URL that is none
    StorageError, TrackingError : the search's database or MLflow fails
    """
    setting = Setting(workload, params, layout, space.of(params))
    study = _opened(setting)
    if processes > 1:
        _several(layout, trials, processes)
    else:
        _work(setting, study, trials)
    result = found.outcome(study, setting)
    with files.locked(layout.tuning / _TURN):  # two may end at the same time
        found.publish(study, setting, result)
    return result


def worker(workload: Workload, params: Params, layout: Layout, *, trials: int) -> None:
    """One of the processes of a search: trials, and no more."""
    setting = Setting(workload, params, layout, space.of(params))
    _work(setting, _opened(setting), trials)


def look(workload: Workload, params: Params, layout: Layout) -> dict[str, Any]:
    """What the search of these parameters and data has found so far; nothing is trained.

    Raises
    ------
    MissingStageError : there is no ready, or no such search
    """
    setting = Setting(workload, params, layout, space.of(params))
    study = _opened(setting)
    if not study.trials:
        raise MissingStageError(
            f"no trial of these parameters and data has been made; run `medpipe tune "
            f"{workload.name} --trials 20`"
        )
    return found.outcome(study, setting)


def _work(setting: Setting, study: optuna.Study, trials: int) -> None:
    """One trial after another, and a line for each, until all are done or under way elsewhere."""
    hardware.choose(one_device(setting.params).train)
    parent = tracking.study_run(setting.layout, study.study_name)
    began, before = time.monotonic(), found.finished(study)
    while (trial := _one_more(study, setting, trials, parent)) is not None:
        done = found.finished(study)
        pace = (time.monotonic() - began) / max(1, done - before)
        left = timedelta(seconds=round(pace * max(0, trials - done)))
        _log.info("trial %s; %d of %d done, %s left", _said(trial, study), done, trials, left)


def _opened(setting: Setting) -> optuna.Study:
    return studies.opened(setting.layout, setting.params, setting.facts)


def _one_more(
    study: optuna.Study, setting: Setting, trials: int, parent: str
) -> FrozenTrial | None:
    """Train one more trial; None where as many as wanted are finished or under way."""
    layout, params = setting.layout, setting.params
    numbers: list[int] = []
    with ExitStack() as alive, ExitStack() as turn, studies.explained(layout, params):
        # One process at a time decides; its trial counts from the moment in which it runs.
        turn.enter_context(files.locked(layout.tuning / _TURN))
        studies.prepare(study, layout, params)
        if studies.started(study) >= trials:
            return None
        if not study.trials and (point := space.current(setting.space, params)) is not None:
            study.enqueue_trial(point, user_attrs={"current": True})

        def train(trial: optuna.Trial) -> float:
            numbers.append(trial.number)
            folder = studies.folder(layout, study, trial)
            alive.enter_context(files.locked(folder / studies.LOCK))
            turn.close()
            return attempt(trial, study, setting, parent=parent)

        study.optimize(train, n_trials=1)
    trial = study.trials[numbers[0]]
    shutil.rmtree(studies.folder(layout, study, trial), ignore_errors=True)
    return trial


def _said(trial: FrozenTrial, study: optuna.Study) -> str:
    """A finished trial in words: its score beside the best, or why it has none."""
    if trial.state != TrialState.COMPLETE:
        epochs = len(trial.intermediate_values)
        return f"{trial.number} stopped after {epochs} epochs: {trial.user_attrs.get('reason')}"
    best = study.best_trial
    return f"{trial.number}: {trial.value:.4f} on val, best {best.value:.4f} (trial {best.number})"


def _several(layout: Layout, trials: int, processes: int) -> None:
    """Let `processes` of this command work on the search, and wait for them."""
    command = [sys.executable, "-m", "medpipe.cli", "--root", str(layout.root)]
    command += ["tune", layout.workload, "--trials", str(trials), "--worker"]
    cores = max(1, (os.cpu_count() or 1) // processes)
    shares = {} if config.environment("OMP_NUM_THREADS") else {"OMP_NUM_THREADS": str(cores)}
    running = [
        subprocess.Popen(command, env=config.child_environment(**shares), stdout=subprocess.DEVNULL)
        for _ in range(processes)
    ]
    failed = sum(process.wait() != 0 for process in running)
    if failed == processes:
        raise MedpipeError("every process of the search failed; each has said above why")
    if failed:
        _log.warning("%d of %d processes failed; the others did the work", failed, processes)
