"""MLflow: runs, and the registry of models. No other module knows that it is MLflow.

Without MLFLOW_TRACKING_URI in the environment everything lies in ``.medpipe/mlflow.db`` and
``.medpipe/mlartifacts``. Nothing that could name a person is stored: see `runs.public`.
"""

from medpipe.tracking.registry import (
    alias,
    attach,
    download,
    find,
    model_tag,
    register,
    set_alias,
    set_model_tag,
    tag_version,
    version_tags,
)
from medpipe.tracking.runs import (
    Run,
    add_to_run,
    ensure_run,
    measured,
    run_tags,
    study_run,
    training_run,
)
from medpipe.tracking.store import exists, shown_uri

__all__ = [
    "Run",
    "add_to_run",
    "alias",
    "attach",
    "download",
    "ensure_run",
    "exists",
    "find",
    "measured",
    "model_tag",
    "register",
    "run_tags",
    "set_alias",
    "set_model_tag",
    "shown_uri",
    "study_run",
    "tag_version",
    "training_run",
    "version_tags",
]
