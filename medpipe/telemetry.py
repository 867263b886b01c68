"""The one place where the stack's telemetry is switched off.

Importing this module sets the variables below wherever they are not set already. It is imported by
``medpipe`` itself and, through ``medpipe_telemetry.pth``, by every Python started in the
environment that medpipe is installed in, so that ``prefect``, ``mlflow``, ``dvc`` and ``bentoml``
typed by hand are quiet too: each reads its switch before any code of ours could run.
"""

import os

OFF = {
    "DO_NOT_TRACK": "true",  # Prefect's SDK, MLflow, Hugging Face; MLflow wants this very word
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DVC_NO_ANALYTICS": "1",
    "ITERATIVE_DO_NOT_TRACK": "1",
    "BENTOML_DO_NOT_TRACK": "True",
    "ORT_DISABLE_TELEMETRY": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
"""Variable and value; `docs/architecture.md` says who reads which."""

for _name, _value in OFF.items():
    os.environ.setdefault(_name, _value)
