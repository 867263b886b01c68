"""How long a bento takes from exec to ready, and what of that is what.

``bentoml serve BENTO`` is started in an empty folder with a new record of answers, and asked until
``/livez`` and ``/readyz`` say 200. BentoML reads the service in two processes, one after the other:
the one that watches, and the one that answers; so the time of the imports counts twice. The rows
above show, each in a process of its own, what one of the two does. Medians, with the slowest.

    medpipe package chest_xray                        # prints the path of the bento
    chrt -r 1 python bench/start.py PATH [--times 5]  # chrt: before all others on a shared machine
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import machine

LIMIT_S = 60
STEPS = {
    "Python itself": "pass",
    "… and BentoML": "import bentoml",
    "… and the service": "import service.service",
    "… and its releases": "import service.service as s; s.catalogue.at(s._ROOT).refresh()",
}
"""What is done → a program that does it, in the bento's folder."""
ENDS = ("livez", "readyz")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("bento", type=Path, help="folder that `medpipe package` printed as path")
    arguments.add_argument("--times", type=int, default=5, help="of each measurement [5]")
    given = arguments.parse_args()
    bento = given.bento.resolve()
    if not (bento / "bento.yaml").is_file():
        sys.exit(f"{bento} holds no bento.yaml; give the path that `medpipe package` prints")
    print("| what | median s | slowest s |\n|---|---|---|")
    for name, program in STEPS.items():
        row(name, [imported(bento, program) for _ in range(given.times)])
    served = [serve(bento) for _ in range(given.times)]
    for end, seconds in zip(ENDS, zip(*served, strict=True), strict=True):
        row(f"bentoml serve: /{end}", list(seconds))
    print(f"\n{machine.line('bentoml', 'onnxruntime')}")


def row(name: str, seconds: list[float]) -> None:
    """Print one."""
    print(f"| {name} | {statistics.median(seconds):.2f} | {max(seconds):.2f} |", flush=True)


def imported(bento: Path, program: str) -> float:
    """Seconds that a new Python takes for `program`."""
    started = time.perf_counter()
    command = [sys.executable, "-c", program]
    subprocess.run(command, cwd=bento / "src", env=environment(bento), check=True)
    return time.perf_counter() - started


def serve(bento: Path) -> tuple[float, float]:
    """Seconds from exec to ``/livez`` and to ``/readyz``."""
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        port = free_port()
        told = environment(bento) | {
            "MEDPIPE_AUDIT": f"sqlite:///{folder}/audit.db",
            "BENTOML_HOME": folder,
        }
        command = [sys.executable, "-m", "bentoml", "serve", str(bento), "--port", str(port)]
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=told, stdout=log, stderr=log, start_new_session=True
        )
        try:
            reached = [until(f"http://127.0.0.1:{port}/{end}", process) for end in ENDS]
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)
    return reached[0] - started, reached[1] - started


def until(url: str, process: subprocess.Popen[bytes]) -> float:
    """When `url` first said 200."""
    last = time.perf_counter() + LIMIT_S
    while process.poll() is None and time.perf_counter() < last:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return time.perf_counter()
        except OSError:  # nobody listens yet, or not ready
            time.sleep(0.01)
    raise SystemExit(f"{url} was not reached; the process ended with {process.poll()}")


def environment(bento: Path) -> dict[str, str]:
    """Ours, with the code of `bento` before that of a checkout."""
    return {**os.environ, "PYTHONPATH": str(bento / "src")}


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


if __name__ == "__main__":
    main()
