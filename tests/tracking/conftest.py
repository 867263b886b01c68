"""An MLflow store that is set up already: making one takes seconds."""

import pytest

from medpipe import tracking
from medpipe.paths import Layout


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    layout = Layout(tmp_path_factory.mktemp("store"), "level")
    tracking.find(layout, "medpipe.content", "none")
    return layout.home.tracking_database


@pytest.fixture
def layout(tmp_path, empty_database, monkeypatch) -> Layout:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    made = Layout(tmp_path / "Zürich patients", "level")
    made.home.folder.mkdir(parents=True)
    made.home.tracking_database.write_bytes(empty_database.read_bytes())
    return made
