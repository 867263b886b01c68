"""A Prefect server and a worker of their own, that can be killed and started again."""

from __future__ import annotations

import contextlib
import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from quick_project import end, medpipe, run, start, wait_for


class Place:
    """Where the server of one test lives: its folder, its port, and the project that it runs."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.home, self.root = folder / "prefect", root
        self.home.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as found:
            self.port = found.getsockname()[1]
        self.api = f"http://127.0.0.1:{self.port}/api"
        self.where = {
            "PREFECT_HOME": str(self.home),
            "PREFECT_API_URL": self.api,
            "PREFECT_WORKER_QUERY_SECONDS": "1",
        }
        self._started = 0

    @contextlib.contextmanager
    def server(self) -> Iterator[None]:
        command = ("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.port))
        server = start(*command, cwd=self.home, log=self._log("server"), **self.where)
        try:
            wait_for(lambda: _answers(f"{self.api}/health"), process=server, s=120)
            yield
        finally:
            end(server)

    def deploy(self) -> Any:
        """The project deployed as docs/schedule.md says."""
        return medpipe("deploy", cwd=self.root, **self.where)

    @contextlib.contextmanager
    def worker(self) -> Iterator[None]:
        command = ("prefect", "worker", "start", "--pool", "medpipe")
        process = start(*command, cwd=self.root, log=self._log("worker"), **self.where)
        try:
            yield
        finally:
            end(process)

    def prefect(self, *arguments: str) -> Any:
        return run("prefect", *arguments, cwd=self.root, **self.where)

    def asked(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """What the server's API says at `path`; with a `body`, to a POST.

        Asked again, as Prefect's own client does, where the server's database was locked (503).
        """
        request = urllib.request.Request(
            f"{self.api}/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        for left in reversed(range(5)):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE or not left:
                    raise
                time.sleep(1)

    def newest_run(self) -> dict[str, Any]:
        found = self.asked("flow_runs/filter", {"sort": "START_TIME_DESC", "limit": 1})
        assert found, "there is no flow run"
        return dict(found[0])

    def until(self, state: str, *, s: float) -> dict[str, Any]:
        """The newest flow run, once its state is called `state`; fails after `s` seconds."""
        last = time.monotonic() + s
        while (found := self.newest_run())["state_name"] != state:
            assert time.monotonic() < last, f"{found['state_name']}, not {state}, after {s} s"
            assert found["state_type"] not in {"FAILED", "CRASHED"}, found["state"]["message"]
            time.sleep(0.5)
        return found

    def _log(self, name: str) -> Path:
        self._started += 1
        return self.home / f"{name}-{self._started}.log"


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2):
            return True
    except OSError:
        return False
