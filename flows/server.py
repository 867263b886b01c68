"""Prefect's embedded server, started while the libraries that a flow needs are still loading.

Prefect starts one by itself at the first call, after everything is loaded, and loads its whole
server into the flow's process for that: six seconds more before anything happens.
"""

from __future__ import annotations

import atexit
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import prefect
from prefect.context import refresh_global_settings_context
from prefect.settings import get_current_settings

from medpipe import config
from medpipe.errors import MedpipeError

_POLL_S = 0.05
_STOP_S = 5.0


class ServerError(MedpipeError):
    """Prefect's embedded server did not start."""


def embedded() -> Callable[[], None]:
    """Start a server for this process alone, unless settings name one; it ends with the process.

    Returns
    -------
    To be called before a flow: it returns when the server answers, and raises ServerError where
    the server has ended or does not answer in time.
    """
    if get_current_settings().api.url:
        return lambda: None
    port = _free_port()
    address = f"http://127.0.0.1:{port}/api"
    process = subprocess.Popen(_command(port), env=_environment())
    # Registered before Prefect registers what sends its last logs and events, so called after it.
    atexit.register(_stop, process)
    config.prefer("PREFECT_API_URL", address)
    config.prefer("PREFECT_UI_URL", "")  # it has no pages, so no run can be looked at there
    refresh_global_settings_context()
    return lambda: _wait(address, process)


def _command(port: int) -> list[str]:
    """As Prefect itself starts it (prefect 3.8, SubprocessASGIServer)."""
    return [
        *(sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"),
        *("--app-dir", str(Path(prefect.__file__).parent)),
        *("--host", "127.0.0.1", "--port", str(port), "--log-level", "error", "--lifespan", "on"),
    ]


def _environment() -> dict[str, str]:
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    own = {
        "PREFECT_UI_ENABLED": "0",
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
    }
    return config.child_environment(**own, **settings)


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    limit_s = get_current_settings().server.ephemeral.startup_timeout_seconds
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        if process.poll() is not None:
            raise ServerError(
                f"Prefect's embedded server ended with status {process.returncode}; its message is "
                "above. `medpipe doctor` looks at this machine"
            )
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=limit_s):
                return
        except urllib.error.URLError:
            time.sleep(_POLL_S)
    raise ServerError(
        f"Prefect's embedded server did not answer within {limit_s} s; the machine may be too "
        "busy: raise server.ephemeral.startup_timeout_seconds in prefect.toml"
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
