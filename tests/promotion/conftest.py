"""A project whose models are one line, so that every verdict can be worked by hand."""

import pytest
from level_project import Project

from medpipe import tracking
from medpipe.paths import Layout


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """An MLflow database that is set up already: making one takes seconds."""
    layout = Layout(tmp_path_factory.mktemp("store"), "level")
    tracking.find(layout, "medpipe.content", "none")
    return layout.home.tracking_database


@pytest.fixture
def project(tmp_path, empty_store, monkeypatch) -> Project:
    for name in ("MEDPIPE_GATE_KEY", "MEDPIPE_TRUSTED_KEYS", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    made = Project(tmp_path / "Zürich project")
    made.layout.home.folder.mkdir(parents=True)
    made.layout.home.tracking_database.write_bytes(empty_store.read_bytes())
    made.ingest()
    return made
