"""One model and one verdict, whoever ran the stages: a person, medpipe run, a Prefect worker."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import planted
import pytest
import quick_project
from quick_project import WORKLOAD, end, medpipe, run, start, wait_for

from medpipe import stages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def by_hand(reproduced, tmp_path_factory) -> dict:
    """Model and verdict of ``dvc repro`` and ``medpipe promote``."""
    root = quick_project.copy_of(reproduced, tmp_path_factory.mktemp("by hand") / "project")
    verdict = medpipe("promote", WORKLOAD, cwd=root)
    return {"model": quick_project.model(root), "verdict": quick_project.judged(verdict)}


def test_medpipe_run_makes_the_same_model_and_verdict(by_hand, tmp_path):
    root = quick_project.make(tmp_path / "Ein Projekt")
    told = run("medpipe", "run", WORKLOAD, cwd=root)
    outcome = json.loads(told.stdout)
    assert quick_project.model(root) == by_hand["model"]
    assert quick_project.judged(outcome["verdict"]) == by_hand["verdict"]
    assert set(outcome["stages"].values()) == {"ran"}
    assert re.findall(r"^(\w+) chest_xray: done in", told.stderr, re.MULTILINE) == list(
        stages.NAMES
    )
    # The embedded server has no pages, and Prefect's words do not say which task has ended.
    assert not [word for word in ("View at", "Finished in state", "{") if word in told.stderr]
    assert (root / ".medpipe/bentoml/bentos/medpipe_chest_xray").is_dir()
    what_next = [line for line in told.stderr.splitlines() if line.startswith("  look at the rep")]
    assert Path(shlex.split(what_next[0])[-1]).read_text("utf-8").endswith("</html>")


def test_a_stage_that_refuses_is_told_whole_and_without_a_traceback(reproduced, tmp_path):
    root = quick_project.copy_of(reproduced, tmp_path / "project")
    quick_project.set_params(root, {"validate": {"min_examples": 5000}})
    told = run("medpipe", "run", WORKLOAD, cwd=root, status=1).stderr
    last = told[told.rindex("medpipe: ") :]
    assert "examples where at least 5000 are asked; ingest more of the source" in last
    assert "Traceback" not in told


def test_a_prefect_worker_makes_the_same_model_and_verdict(by_hand, tmp_path):
    root = quick_project.make(tmp_path / "Ein Projekt")
    with prefect_server(tmp_path) as where, worker(root, tmp_path, where):
        run("prefect", "deployment", "run", f"train/{WORKLOAD}", "--watch", cwd=root, **where)
        page = run("prefect", "artifact", "inspect", "chest-xray-training", cwd=root, **where)
    assert "is champion now" in page.stdout
    assert quick_project.model(root) == by_hand["model"]
    verdict = medpipe("promote", WORKLOAD, cwd=root)
    assert verdict["summary"] == "already champion; nothing changed"
    assert quick_project.judged(verdict)["checks"] == by_hand["verdict"]["checks"]
    # What Prefect wrote down: its database, and the log of every process.
    sought = planted.planted(root / "data" / WORKLOAD / "source")
    written = [path for path in (tmp_path / "prefect").rglob("*") if path.is_file()]
    assert {path: hits for path in written if (hits := sought.found_in(path))} == {}


@contextlib.contextmanager
def prefect_server(folder: Path) -> Iterator[dict[str, str]]:
    """A server of its own; gives the variables that lead to it."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    home = folder / "prefect"
    home.mkdir()
    where = {"PREFECT_HOME": str(home), "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    command = ("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
    server = start(*command, cwd=folder, log=home / "server.log", **where)
    try:
        wait_for(lambda: answers(f"{where['PREFECT_API_URL']}/health"), process=server, s=120)
        yield where
    finally:
        end(server)


@contextlib.contextmanager
def worker(root: Path, folder: Path, where: dict[str, str]) -> Iterator[None]:
    """The project deployed as the README says, and a worker for it."""
    run("prefect", "work-pool", "create", "medpipe", "--type", "process", cwd=root, **where)
    run("prefect", "--no-prompt", "deploy", "--all", cwd=root, **where)
    command = ("prefect", "worker", "start", "--pool", "medpipe")
    process = start(*command, cwd=root, log=folder / "prefect" / "worker.log", **where)
    try:
        yield
    finally:
        end(process)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2):
            return True
    except OSError:
        return False
