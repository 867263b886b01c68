"""The database of a search: opened, shared, and cleared of trials whose process was killed."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import optuna
import sqlalchemy.exc
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState

from medpipe import config, files
from medpipe.config import Params
from medpipe.errors import ParamsError, StorageError
from medpipe.paths import Layout

ENVIRONMENT = "MEDPIPE_TUNE_STORAGE"
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
LOCK = "alive.lock"
"""In the folder of a trial; held by the process that trains it."""
_HEARTBEAT_S, _GRACE_S = 30, 180
"""A machine that is silent for longer has lost its trial to the others."""
_RETRIES = 2
"""A trial that brings its process down three times is given up: it may need too much memory."""
_WAIT_S = 60
"""For another process's write to SQLite."""
_KINDS = {
    "space": "the search space",
    "data": "the data or their split",
    "fixed": "another parameter",
}

_log = logging.getLogger(__name__)


def opened(layout: Layout, params: Params, facts: Mapping[str, Any]) -> optuna.Study:
    """The study of `facts`, made where it is missing; the log says what has changed since the last.

    Parameters
    ----------
    facts : JSON by kind: space, data, fixed; scores under other facts cannot be compared

    Raises
    ------
    ParamsError : the URL is none, or its driver is not installed
    StorageError : the database cannot be reached or written
    """
    digests = {kind: _digest(content) for kind, content in facts.items()}
    name = f"{layout.workload} {_digest(digests)}"
    with explained(layout, params):
        storage = _storage(layout, params)
        if name not in (earlier := optuna.get_all_study_names(storage)):
            _tell(storage, earlier, name, digests, layout.workload)
        study = optuna.create_study(
            storage=storage, study_name=name, direction="maximize", load_if_exists=True
        )
        study.set_user_attr("digests", digests)
    return study


def started(study: optuna.Study) -> int:
    """How many trials are finished or being trained somewhere."""
    return len(study.get_trials(deepcopy=False, states=(*FINISHED, TrialState.RUNNING)))


def prepare(study: optuna.Study, layout: Layout, params: Params) -> None:
    """Give up on trials whose process has ended, and choose the next trial's sampler and pruner.

    Call it in turn: the draws depend on the seed and on how many trials there are, and on nothing
    else, so that a search that was interrupted goes on as if it had not been.
    """
    retry = _quietly(RetryHeartbeatStaleTrialCallback, _RETRIES, inherit_intermediate_values=True)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if files.is_abandoned(folder(layout, study, trial) / LOCK):
            study.tell(trial.number, state=TrialState.FAIL)
            retry(study, study.trials[trial.number])
            _log.info("trial %d was interrupted; it goes on where it stood", trial.number)
    _quietly(fail_stale_trials, study)
    seed = np.random.SeedSequence([params.tune.seed, len(study.trials)]).generate_state(1)[0]
    study.sampler = _quietly(optuna.samplers.TPESampler, seed=int(seed), constant_liar=True)
    study.pruner = _pruner(params)


def folder(layout: Layout, study: optuna.Study, trial: FrozenTrial | optuna.Trial) -> Path:
    """Where `trial` keeps its checkpoints on this machine; a retried one has that of the first."""
    number = trial.user_attrs.get("folder", str(trial.number))
    return layout.tuning / study.study_name.rpartition(" ")[2] / str(number)


@contextmanager
def explained(layout: Layout, params: Params) -> Iterator[None]:
    """Turn what the database complains of into an error that says what to do."""
    try:
        yield
    except (sqlalchemy.exc.ArgumentError, ImportError) as error:
        raise ParamsError(
            f"the search's database {shown_url(layout, params)} cannot be opened: "
            f"{' '.join(str(error).split())[:200]}. It is an SQLAlchemy URL whose driver is "
            f"installed, from {ENVIRONMENT} or tune.storage"
        ) from None
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        reason = " ".join(str(error.__cause__ or error).split())[:200]
        raise StorageError(
            f"the search's database {shown_url(layout, params)} failed: {reason}. Check that it "
            "runs, has space and may be written to; finished trials are safe, run the command again"
        ) from error


def shown_url(layout: Layout, params: Params) -> str:
    """The database as a message may show it: without user and password."""
    parts = urlsplit(_url(layout, params))
    if "@" not in parts.netloc:
        return _url(layout, params)
    return urlunsplit(parts._replace(netloc="…@" + parts.netloc.rpartition("@")[2]))


def _url(layout: Layout, params: Params) -> str:
    given = config.environment(ENVIRONMENT) or params.tune.storage
    return given or f"sqlite:///{layout.tuning_database.resolve()}"


def _storage(layout: Layout, params: Params) -> RDBStorage:
    logging.getLogger("optuna").handlers.clear()  # its own colours; what it reports, we report
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = _url(layout, params)
    is_file = url.startswith("sqlite:")
    options: dict[str, Any] = {"connect_args": {"timeout": _WAIT_S}} if is_file else {}
    # On one machine a lock tells who has ended, at once; a heartbeat would also give up on
    # processes that a closed laptop has put to sleep.
    heartbeat: dict[str, Any] = {
        "heartbeat_interval": _HEARTBEAT_S,
        "grace_period": _GRACE_S,
        "heartbeat_stale_trial_callback": _quietly(
            RetryHeartbeatStaleTrialCallback, _RETRIES, inherit_intermediate_values=False
        ),
    }
    with files.locked(layout.tuning_database.with_suffix(".lock")):
        storage: RDBStorage = _quietly(
            RDBStorage, url, engine_kwargs=options, **({} if is_file else heartbeat)
        )
    return storage


def _pruner(params: Params) -> optuna.pruners.BasePruner:
    if params.tune.pruner == "none":
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(
        n_startup_trials=5, n_warmup_steps=1 + math.ceil(params.train.epochs / 4)
    )


def _tell(
    storage: RDBStorage,
    names: list[str],
    name: str,
    digests: Mapping[str, str],
    workload: str,
) -> None:
    """Log that a new study begins, and what has changed since the last one of the workload."""
    earlier = [each for each in names if each.rpartition(" ")[0] == workload]
    if not earlier:
        return
    last = optuna.load_study(study_name=earlier[-1], storage=storage)
    before = last.user_attrs.get("digests", {})
    changed = [word for kind, word in _KINDS.items() if before.get(kind) != digests[kind]]
    _log.info(
        "%s changed since study %r, whose %d trials cannot be compared: study %r begins",
        " and ".join(changed), last.study_name, len(last.trials), name,
    )  # fmt: skip


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _quietly(make: Any, *arguments: Any, **options: Any) -> Any:
    """What `make` gives, without the warning that its interface may change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return make(*arguments, **options)
