"""``bentoml serve``, typed in the project: a real process on a free port of this machine."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
from brightness_release import TRUSTED


@contextlib.contextmanager
def serve(root, folder, **environment):
    """Address of the service of the releases in ``folder/releases``; its output in ``folder/log``.

    `root` is the checkout; `environment` is set for the process.
    """
    port = free_port()
    given = {
        "MEDPIPE_RELEASES": str(folder / "releases"),
        "MEDPIPE_TRUSTED_KEYS": TRUSTED[0].hex(),
        "BENTOML_HOME": str(folder / "bentoml"),
        "MEDPIPE_AUDIT": f"sqlite:///{folder / 'audit.db'}",
        **environment,
    }
    command = [sys.executable, "-m", "bentoml", "serve", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=root, env={**os.environ, **given}, stdout=log, stderr=log
        )
        try:
            _wait(f"http://127.0.0.1:{port}/readyz", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait(address, server):
    until = time.monotonic() + 90
    while time.monotonic() < until and server.poll() is None:
        try:
            if httpx.get(address).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"{address} was not ready; the server ended with {server.poll()}")
