"""An MLflow store that is set up already: making one takes seconds."""

import dots
import pytest

from medpipe import tracking
from medpipe.paths import Layout


@pytest.fixture(scope="session", autouse=True)
def empty_database(tmp_path_factory):
    layout = Layout(tmp_path_factory.mktemp("store"), "dots")
    tracking.find(layout, "medpipe.content", "none")
    dots.DATABASES.append(layout.home.tracking_database)


@pytest.fixture(autouse=True)
def own_stores(monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "MEDPIPE_TUNE_STORAGE"):
        monkeypatch.delenv(name, raising=False)
