"""A store that cannot be reached says so within seconds, in words that help."""

import resource
import socket
import time

import pytest
from mlflow.exceptions import MlflowException

from medpipe import tracking
from medpipe.errors import StorageError, TrackingError
from medpipe.paths import Layout
from medpipe.tracking import store


@pytest.fixture
def silent_server():
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_a_server_that_is_not_there_is_named_with_what_to_do(tmp_path, monkeypatch):
    address = f"http://anna:secret@127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    started = time.monotonic()
    with pytest.raises(TrackingError) as caught:
        tracking.find(Layout(tmp_path, "level"), "a", "b")
    assert time.monotonic() - started < 5
    message = str(caught.value)
    assert address.rpartition("@")[2] in message
    assert "MLFLOW_TRACKING_URI" in message
    assert "secret" not in message


def test_a_server_that_never_answers_is_given_up_within_seconds(
    tmp_path, monkeypatch, silent_server
):
    monkeypatch.setattr(store, "_PROBE_S", 1)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", silent_server)
    started = time.monotonic()
    with pytest.raises(TrackingError, match="cannot be reached"):
        tracking.find(Layout(tmp_path, "level"), "a", "b")
    assert time.monotonic() - started < 10


def test_a_folder_instead_of_a_database_is_an_error_of_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "mlruns"))
    with pytest.raises(TrackingError, match="mlruns"):
        tracking.find(Layout(tmp_path, "level"), "a", "b")


def test_a_broken_database_is_an_error_of_ours(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    layout = Layout(tmp_path, "level")
    layout.home.folder.mkdir()
    layout.home.tracking_database.write_bytes(b"not a database" * 100)
    with pytest.raises(TrackingError, match=r"mlflow\.db"):
        tracking.find(layout, "a", "b")


def test_a_database_that_could_not_be_made_whole_is_not_there_and_made_again(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    layout = Layout(tmp_path, "level")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))  # a fifth of the whole
    try:
        with pytest.raises(TrackingError):
            tracking.find(layout, "a", "b")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not layout.home.tracking_database.exists()
    assert tracking.find(layout, "a", "b") is None


@pytest.mark.parametrize(
    "said", ["database or disk is full", "attempt to write a readonly database"]
)
def test_what_sqlite_says_of_the_disk_is_said_as_everywhere_else(layout, said):
    with (
        pytest.raises(StorageError, match=r"free some space|that can be written"),
        store.explained(layout),
    ):
        raise MlflowException(f"(sqlite3.OperationalError) {said}")


def test_artefacts_lie_beside_the_projects_own_database(layout):
    found = store.client(layout).get_experiment(store.experiment(layout))
    assert found.name == "level"
    place = (layout.home.tracking_artifacts / "level").resolve()
    assert found.artifact_location == place.as_uri()
