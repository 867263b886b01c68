"""Where MLflow keeps things, and a client for it that fails within seconds and in plain words."""

from __future__ import annotations

import errno
import functools
import logging
import os
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import requests
import sqlalchemy.exc
from mlflow import MlflowClient
from mlflow.environment_variables import (
    MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR,
    MLFLOW_HTTP_REQUEST_MAX_RETRIES,
    MLFLOW_HTTP_REQUEST_TIMEOUT,
)
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

from medpipe import config, files
from medpipe.errors import TrackingError
from medpipe.paths import Layout

_PROBE_S = 5
"""How long a server may take to answer at all before it counts as unreachable."""
_RETRIES, _TIMEOUT_S = 3, 30
"""MLflow's own 7 and 120 mean minutes of silence; about 14 s of back-off ride out a restart."""
_NOISY = ("alembic", "mlflow.system_metrics", "mlflow.tracking.fluent")
_TWICE = "mlflow.store.db.utils"
"""Logs with a traceback what it raises as well."""
_SQLITE_FAULTS = {
    "disk is full": errno.ENOSPC,
    "readonly database": errno.EROFS,
}
"""What SQLite says → what the system had said to it."""


def uri(layout: Layout) -> str:
    """The store: MLFLOW_TRACKING_URI, else the project's own SQLite file."""
    given = config.environment("MLFLOW_TRACKING_URI")
    return given or _own(layout.home.tracking_database)


def shown_uri(layout: Layout) -> str:
    """`uri` as a message or a page may show it: without user and password."""
    parts = urlsplit(uri(layout))
    if "@" not in parts.netloc:
        return uri(layout)
    return urlunsplit(parts._replace(netloc="…@" + parts.netloc.rpartition("@")[2]))


def exists(layout: Layout) -> bool:
    """Whether there is a store to ask; nothing is made."""
    return (
        _is_server(uri(layout))
        or uri(layout) != _own(layout.home.tracking_database)
        or (layout.home.tracking_database.exists())
    )


@contextmanager
def explained(layout: Layout) -> Iterator[None]:
    """Turn what MLflow, its database or its server complain of into a TrackingError.

    A disk that is full or may not be written is a StorageError, as it is everywhere else.
    """
    failures = (MlflowException, sqlalchemy.exc.SQLAlchemyError, requests.RequestException)
    with files.explained(layout.home.folder):
        try:
            yield
        except failures as error:
            for words, number in _SQLITE_FAULTS.items():
                if words in str(error):
                    raise OSError(number, os.strerror(number)) from error
            reason = " ".join(str(error).split())[:300]
            raise TrackingError(
                f"MLflow at {shown_uri(layout)} failed: {reason}. Check that it runs, has space "
                "and may be written to; without MLFLOW_TRACKING_URI the project's own store is used"
            ) from error


def client(layout: Layout) -> MlflowClient:
    """A client of a store that exists and answers.

    Raises
    ------
    TrackingError : it cannot be reached, within seconds, or is of another MLflow's schema
    """
    with explained(layout):
        return _opened(uri(layout), shown_uri(layout), layout.home.tracking_database)


@functools.cache
def _opened(address: str, shown: str, database: Path) -> MlflowClient:
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(_TWICE).setLevel(logging.CRITICAL)
    for setting, value in (
        (MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR, False),
        (MLFLOW_HTTP_REQUEST_MAX_RETRIES, _RETRIES),
        (MLFLOW_HTTP_REQUEST_TIMEOUT, _TIMEOUT_S),
    ):
        if not setting.is_set():
            setting.set(value)
    if _is_server(address):
        _reach(address, shown)
        return MlflowClient(tracking_uri=address, registry_uri=address)
    # Two processes that create the same database at once leave it half migrated.
    with files.locked(database.with_suffix(".lock")):
        if address == _own(database) and not database.exists():
            _make(database)
        opened = MlflowClient(tracking_uri=address, registry_uri=address)
        opened.search_experiments(max_results=1)
    return opened


def _make(database: Path) -> None:
    """The empty database, whole or not there.

    MLflow makes its tables one by one, and never again opens a database in which a full disk or a
    kill has stopped it half-way.
    """
    with tempfile.TemporaryDirectory(prefix="medpipe-") as scratch:
        made = Path(scratch) / database.name
        MlflowClient(tracking_uri=_own(made)).search_experiments(max_results=1)
        with files.new_file(database) as partial:
            shutil.copyfile(made, partial)


def _own(database: Path) -> str:
    return f"sqlite:///{database.resolve()}"


def experiment(layout: Layout) -> str:
    """Id of the workload's experiment, made where it is missing."""
    store = client(layout)
    with explained(layout):
        found = store.get_experiment_by_name(layout.workload)
        if found is not None:
            return str(found.experiment_id)
        try:
            return str(store.create_experiment(layout.workload, artifact_location=_place(layout)))
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
            return str(store.get_experiment_by_name(layout.workload).experiment_id)


def _place(layout: Layout) -> str | None:
    """Where artefacts go: beside the project's database; None where a server decides."""
    if _is_server(uri(layout)):
        return None
    return (layout.home.tracking_artifacts / layout.workload).resolve().as_uri()


def _is_server(address: str) -> bool:
    return address.startswith(("http://", "https://"))


def _reach(address: str, shown: str) -> None:
    try:
        with urllib.request.urlopen(f"{address.rstrip('/')}/health", timeout=_PROBE_S):
            return
    except urllib.error.HTTPError:
        return  # it answers; whether it lets us in, the first request will tell
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise TrackingError(
            f"MLflow at {shown} cannot be reached ({reason}). Start it, correct "
            "MLFLOW_TRACKING_URI, or unset it to use the project's own store"
        ) from None
