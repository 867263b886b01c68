"""MLflow runs: one per training, with all that was measured on it."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from medpipe import files
from medpipe.errors import TrackingError
from medpipe.paths import Layout
from medpipe.tracking import store

IMPORTED = "medpipe.imported_from"
"""Tag of a run that was made again from files: the run id that the files name."""
STUDY = "medpipe.study"
"""Tag of a run that a search's trials stand below: the search's name."""
_PRIVATE = ("source.path", "source.options")
"""Parameters that may spell a name: a folder or file of identifiable data."""
_SAMPLING_S = 5
_PARAMS_AT_ONCE = 100
_METRICS_AT_ONCE = 1000


@dataclass(frozen=True)
class Run:
    """A run that is being written to."""

    id: str
    layout: Layout

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """`values` at `step`, in one request; nan is kept as nan."""
        _log(self.layout, self.id, values, step=step)


@contextmanager
def training_run(
    layout: Layout,
    name: str,
    params: Mapping[str, str],
    tags: Mapping[str, str],
    run_id: str | None = None,
    parent: str | None = None,
) -> Iterator[Run]:
    """A run around a training, with the machine's load beside the metrics.

    It ends as FINISHED, as KILLED on an interrupt, as FAILED on any other error. What is killed
    outright stays RUNNING until it is resumed.

    Parameters
    ----------
    params : dotted names and values; `public` says which are left out
    run_id : of the run to resume; a new one is made where the store has no such run
    parent : id of the run below which this one is shown

    Raises
    ------
    TrackingError : the store cannot be reached or refuses
    """
    client = store.client(layout)
    resumed = run_id is not None and _exists(client, layout, run_id)
    with store.explained(layout):
        identifier = run_id if resumed and run_id else _create(client, layout, name)
        client.update_run(identifier, status="RUNNING")
        family = {MLFLOW_PARENT_RUN_ID: parent} if parent else {}
        _describe(client, identifier, params, {**tags, **family})
        monitor = SystemMetricsMonitor(
            identifier, _SAMPLING_S, resume_logging=resumed, tracking_uri=store.uri(layout)
        )
    monitor.start()
    status = RunStatus.FAILED
    try:
        yield Run(identifier, layout)
        status = RunStatus.FINISHED
    except KeyboardInterrupt:
        status = RunStatus.KILLED
        raise
    finally:
        monitor.finish()
        with store.explained(layout):
            client.set_terminated(identifier, RunStatus.to_string(status))


def study_run(layout: Layout, study: str) -> str:
    """Id of the run that the trials of `study` stand below; made where it is missing.

    It trains nothing itself, so it is FINISHED from the beginning.
    """
    client = store.client(layout)
    where = store.experiment(layout)
    with files.locked(layout.home.tracking_database.with_suffix(".lock")), store.explained(layout):
        found = client.search_runs([where], f"tags.`{STUDY}` = '{study}'", max_results=1)
        if found:
            return str(found[0].info.run_id)
        made = client.create_run(where, run_name=f"tune {study}", tags={STUDY: study})
        client.set_terminated(made.info.run_id)
        return str(made.info.run_id)


def public(params: Mapping[str, str]) -> dict[str, str]:
    """`params` without those that may spell a name: path and options of the source.

    What the source held is identified by the version of raw, which is among the tags.
    """
    return {name: value for name, value in params.items() if not name.startswith(_PRIVATE)}


def add_to_run(
    layout: Layout,
    run_id: str,
    metrics: Mapping[str, float | None],
    paths: Iterable[Path] = (),
    *,
    folder: str = "",
    tags: Mapping[str, str] | None = None,
) -> str:
    """Put what a later stage found into the run of the training; gives the id of that run here.

    Parameters
    ----------
    run_id : of the training; where this store has no such run, it is made from the files
    metrics : None, an undefined metric, is left out
    paths : files and folders to keep with the run, in `folder` of its artefacts
    """
    client = store.client(layout)
    here = ensure_run(layout, run_id)
    _log(layout, here, {name: value for name, value in metrics.items() if value is not None})
    with store.explained(layout):
        for path in paths:
            if path.is_dir():
                client.log_artifacts(here, str(path), "/".join(filter(None, (folder, path.name))))
            else:
                client.log_artifact(here, str(path), folder or None)
        client.log_batch(here, tags=_tags(tags or {}))
    return here


def ensure_run(layout: Layout, run_id: str | None = None) -> str:
    """Id here of the run `run_id`, or of the weights at hand; made from their files if it is not.

    Weights restored from DVC's cache on another machine come without their run. The new run carries
    the tag `IMPORTED`, the parameters and the history, and is found again by the next call.

    Raises
    ------
    MissingStageError : there are no weights
    """
    train = f"medpipe stage train {layout.workload}"
    client = store.client(layout)
    if run_id is not None and _exists(client, layout, run_id):
        return run_id
    original = str(files.read_json(layout.weights / "run.json", made_by=train)["run_id"])
    if _exists(client, layout, original):
        return original
    where = store.experiment(layout)
    with files.locked(layout.home.tracking_database.with_suffix(".lock")), store.explained(layout):
        found = client.search_runs([where], f"tags.`{IMPORTED}` = '{original}'", max_results=1)
        if found:
            return str(found[0].info.run_id)
        identifier = _create(client, layout, f"imported {original[:8]}")
        params = files.read_json(layout.weights / "params.json", made_by=train)
        _describe(client, identifier, _dotted(params), {})
        for step, values in _history(layout.weights / "history.csv"):
            _log(layout, identifier, values, step=step)
        # The tag comes last: a run that was left half made is not found, and made again.
        client.set_tag(identifier, IMPORTED, original)
        client.set_terminated(identifier)
        return identifier


def measured(layout: Layout, run_id: str) -> tuple[dict[str, str], dict[str, float]]:
    """Parameters and latest metrics of a run.

    Raises
    ------
    TrackingError : this store has no such run
    """
    client = store.client(layout)
    with store.explained(layout):
        data = client.get_run(run_id).data
    return dict(data.params), dict(data.metrics)


def run_tags(layout: Layout, run_id: str) -> dict[str, str]:
    """Tags of the run `run_id`, or of the one that was made again from its files.

    Raises
    ------
    TrackingError : this store has neither
    """
    client = store.client(layout)
    with store.explained(layout):
        if _exists(client, layout, run_id):
            return dict(client.get_run(run_id).data.tags)
        where = store.experiment(layout)
        found = client.search_runs([where], f"tags.`{IMPORTED}` = '{run_id}'", max_results=1)
    if not found:
        raise TrackingError(f"MLflow at {store.shown_uri(layout)} has no run {run_id}")
    return dict(found[0].data.tags)


def _exists(client: MlflowClient, layout: Layout, run_id: str) -> bool:
    try:
        return bool(client.get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException as error:
        if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            return False
        with store.explained(layout):
            raise


def _create(client: MlflowClient, layout: Layout, name: str) -> str:
    made = client.create_run(store.experiment(layout), run_name=name)
    return str(made.info.run_id)


def _describe(
    client: MlflowClient, run_id: str, params: Mapping[str, str], tags: Mapping[str, str]
) -> None:
    """MLflow's parameters cannot change: on a resumed run only the new ones are written."""
    known = client.get_run(run_id).data.params
    new = [Param(name, value) for name, value in public(params).items() if name not in known]
    for start in range(0, len(new), _PARAMS_AT_ONCE):
        client.log_batch(run_id, params=new[start : start + _PARAMS_AT_ONCE])
    client.log_batch(run_id, tags=_tags(tags))


def _tags(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(name, value) for name, value in tags.items()]


def _log(layout: Layout, run_id: str, values: Mapping[str, float], *, step: int = 0) -> None:
    now = int(time.time() * 1000)
    found = [Metric(name, float(value), now, step) for name, value in values.items()]
    client = store.client(layout)
    with store.explained(layout):
        for start in range(0, len(found), _METRICS_AT_ONCE):
            client.log_batch(run_id, metrics=found[start : start + _METRICS_AT_ONCE])


def _dotted(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in params.items():
        if isinstance(value, Mapping) and value:
            found |= _dotted(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = str(value)
    return found


def _history(path: Path) -> Iterator[tuple[int, dict[str, float]]]:
    """Epoch and metrics of each line of the training's history; empty cells are left out."""
    with path.open(encoding="utf-8", newline="") as file:
        for number, line in enumerate(csv.DictReader(file)):
            try:
                values = {name: float(cell) for name, cell in line.items() if cell}
            except (TypeError, ValueError):
                raise TrackingError(
                    f"{path} line {number + 2} holds something that is no number; train again"
                ) from None
            yield int(values.pop("epoch", number)), values
