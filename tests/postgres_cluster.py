"""A PostgreSQL of its own: a new cluster, on a free port of this machine."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ACCOUNT = "postgres"


def programs() -> Path | None:
    """The folder with initdb and pg_ctl, newest release first."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    found = shutil.which("initdb")
    paths = installed + ([Path(found)] if found else [])
    return paths[0].parent if paths else None


class Cluster:
    """One that is set up in `folder`; `start` and `stop` as often as a test likes."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    @property
    def address(self) -> str:
        return f"postgresql+psycopg://{ACCOUNT}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self.folder}"
        self._run("pg_ctl", "-w", "-l", self.folder / "log", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def initialise(self) -> None:
        self._run("initdb", "--auth=trust", f"--username={ACCOUNT}", "--encoding=UTF8")

    def _run(self, program: str, *arguments: object) -> None:
        # PostgreSQL refuses to run as root.
        account = {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": []}
        subprocess.run(
            [programs() / program, "-D", self.folder / "data", *map(str, arguments)],
            check=True,
            timeout=60,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **(account if os.geteuid() == 0 else {}),
        )


@contextlib.contextmanager
def running() -> Iterator[Cluster]:
    if programs() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="medpipe-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, ACCOUNT)
    cluster = Cluster(folder, port)
    try:
        cluster.initialise()
        cluster.start()
        try:
            yield cluster
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):  # a test may have stopped it
                cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
