"""MLflow is away: told within seconds, and what was trained is not lost."""

from __future__ import annotations

import os
import socket
import sys
import time

import pytest
import quick_project
from quick_project import WORKLOAD, end, run, start, wait_for

from medpipe.paths import Layout

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.mark.parametrize("command", [("stage", "train"), ("stage", "evaluate"), ("promote",)])
def test_a_server_that_is_not_there_is_told_within_seconds(command, trained, tmp_path):
    root = quick_project.copy_of(trained, tmp_path / "project")
    address = f"http://127.0.0.1:{free_port()}"
    used = os.times()
    done = run("medpipe", *command, WORKLOAD, cwd=root, status=1, MLFLOW_TRACKING_URI=address)
    assert f"MLflow at {address} cannot be reached" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    # Of the processor, not of the clock: the machine may be busy. Most of it loads libraries.
    assert os.times().children_user - used.children_user < 40


def test_a_server_that_goes_away_while_training_loses_nothing(trained, tmp_path):
    root = quick_project.copy_of(trained, tmp_path / "project")
    quick_project.set_params(root, {"train": {"epochs": 30, "batch_size": 4}})
    port = str(free_port())
    address = f"http://127.0.0.1:{port}"
    serve = (
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port),
        *("--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db", "--workers", "1"),
    )
    server = start(*serve, cwd=tmp_path, log=tmp_path / "server.log")
    try:
        wait_for(lambda: answers(int(port)), process=server, s=120)
        train = start(
            *("medpipe", "stage", "train", WORKLOAD),
            cwd=root, log=tmp_path / "train.log", MLFLOW_TRACKING_URI=address,
        )  # fmt: skip
        states = Layout(root, WORKLOAD).checkpoints
        wait_for(lambda: list(states.rglob("[0-9]*-*.pt")), process=train, s=120)
    finally:
        end(server)
    assert train.wait(120) == 1
    told = (tmp_path / "train.log").read_text("utf-8").splitlines()[-1]
    assert told.startswith(f"medpipe: MLflow at {address} failed")
    again = run("medpipe", "stage", "train", WORKLOAD, cwd=root)
    assert "resumed after epoch" in again.stderr


def answers(port: int) -> bool:
    time.sleep(0.1)
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
