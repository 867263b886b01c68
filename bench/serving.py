"""The service against FastAPI with ONNX Runtime: same model, same uploads, same decoding.

The peer is what a careful developer writes without medpipe: FastAPI, ``UploadFile``, decoding and
scoring in its thread pool, ONNX Runtime with its default threads, no batching. Reading and encoding
are the workload's own on both sides, so that only the serving differs. Each server is a process of
its own on a free port of this machine; cells alternate between the two, and both are up all along.
CPU is what the server's processes used per answer: it tells more than the clock on a busy machine.
medpipe has every answer on record, on the disk, before it leaves; the peer records nothing. Of what
a lone client waits longer, most is the flush of the disk.

    python bench/serving.py [--seconds 4] [--clients 1 8 32]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import json
import math
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import fastapi
import machine
import numpy as np
import onnxruntime
import psutil
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from medpipe import certificate, config, files, workloads
from medpipe.errors import UnreadableError

ROOT = Path(__file__).resolve().parents[1]
WORKLOAD = "chest_xray"
PNG_SIDE_PX = 1024
WARM_UP_S = 1.5


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=float, default=4, help="per cell, at most 8 [4]")
    arguments.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        releases = Path(folder) / "releases"
        os.environ["MEDPIPE_TRUSTED_KEYS"] = make_release(releases / WORKLOAD)
        compare(releases, clients=given.clients, seconds=min(given.seconds, 8))
    print(f"\n{machine.line('onnxruntime')}")


def compare(releases: Path, *, clients: list[int], seconds: float) -> None:
    """Print the table."""
    uploads = {"PNG": png(), "DICOM": dicom()}
    print("| upload | clients | server | answers/s | p50 ms | p99 ms | CPU ms/answer |")
    print("|---|---|---|---|---|---|---|")
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(served(*one, releases)) for one in SERVERS]
        for kind, content in uploads.items():
            for server in servers:
                asyncio.run(load(server, content, clients=4, seconds=WARM_UP_S))
            for count in clients:
                for server in servers:
                    cell = asyncio.run(load(server, content, clients=count, seconds=seconds))
                    figures = " | ".join(f"{figure:.1f}" for figure in cell)
                    size = f"{kind} {len(content) // 1024} KiB"
                    print(f"| {size} | {count} | {server.name} | {figures} |", flush=True)


@dataclass(frozen=True)
class Server:
    """One that is running."""

    name: str
    path: str
    port: int
    process: psutil.Process

    def cpu_s(self) -> float:
        """Processor time so far, of all its processes."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(sum(each.cpu_times()[:2]) for each in family)


_PEER = "uvicorn serving:peer --factory --app-dir bench --no-access-log --log-level warning"
SERVERS = (
    ("medpipe", ["bentoml", "serve"], "/readyz", f"/v1/{WORKLOAD}"),
    ("FastAPI + ORT", _PEER.split(), "/ready", "/predict"),
)
"""Name, module with arguments, where it says that it is ready, where uploads go."""


def peer() -> fastapi.FastAPI:
    """The application that medpipe is compared with."""
    folder = Path(config.environment("MEDPIPE_RELEASES") or "") / WORKLOAD
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    state = json.loads((folder / "state.json").read_text())
    settings = json.loads((folder / "settings.json").read_text())
    workload = workloads.get(WORKLOAD)
    api = fastapi.FastAPI()

    @api.get("/ready")
    def ready() -> bool:
        return True

    @api.post("/predict")
    def predict(file: fastapi.UploadFile) -> dict[str, float | bool]:
        _, inputs = workload.request(file.file.read(), state, limits=settings["limits"])
        batch = {name: array[None] for name, array in inputs.items()}
        logit = float(session.run(["logit"], batch)[0][0]) / settings["temperature"]
        risk = 1 / (1 + math.exp(-logit))
        return {"risk": risk, "decision": risk >= settings["threshold"]}

    return api


async def load(
    server: Server, content: bytes, *, clients: int, seconds: float
) -> tuple[float, float, float, float]:
    """What `clients` that never rest see: answers/s, 50th and 99th percentile in ms, CPU ms."""
    request = upload(server.path, content)
    latencies: list[float] = []
    cpu_s, started = server.cpu_s(), time.perf_counter()
    until = started + seconds
    await asyncio.gather(*(_client(server.port, request, until, latencies) for _ in range(clients)))
    took = time.perf_counter() - started
    cuts = statistics.quantiles(latencies, n=100)
    cpu_ms = 1000 * (server.cpu_s() - cpu_s) / len(latencies)
    return len(latencies) / took, cuts[49] * 1000, cuts[98] * 1000, cpu_ms


async def _client(port: int, request: bytes, until: float, latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (started := time.perf_counter()) < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        body = await reader.readexactly(int(fields[b"content-length"]))
        if b" 200 " not in head[:16]:
            raise SystemExit(f"the server refused: {head[:40]!r} {body[:200]!r}")
        latencies.append(time.perf_counter() - started)
    writer.close()


def upload(path: str, content: bytes) -> bytes:
    """An HTTP request with `content` as the field ``file`` of a form."""
    part = 'Content-Disposition: form-data; name="file"; filename="image"\r\n\r\n'
    body = f"--cut\r\n{part}".encode() + content + b"\r\n--cut--\r\n"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: multipart/form-data; boundary=cut\r\n\r\n"
    )
    return head.encode() + body


@contextlib.contextmanager
def served(
    name: str, command: list[str], ready: str, path: str, releases: Path
) -> Iterator[Server]:
    """A server started with `command`, which ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "MEDPIPE_RELEASES": str(releases),
        "MEDPIPE_AUDIT": f"sqlite:///{releases.with_name('audit.db')}",  # on the disk, as it is
        "PYTHONPATH": str(ROOT),
    }
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            [sys.executable, "-m", *command, "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            _wait(f"http://127.0.0.1:{port}{ready}", server)
            yield Server(name, path, port, psutil.Process(server.pid))
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(20)


def _wait(address: str, server: subprocess.Popen[bytes], limit_s: float = 60) -> None:
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        if server.poll() is not None:
            raise SystemExit(f"the server ended with {server.returncode}")
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.2)
    raise SystemExit(f"{address} was not ready within {limit_s:.0f} s")


def make_release(folder: Path) -> str:
    """An untrained network of params.yaml as a signed release; its public key, hexadecimal.

    A trained one would be exactly as fast. The key is made for this and thrown away.
    """
    # Delayed: torch, and the peer imports this module too.
    from medpipe.artefact import distance, graph

    workload = workloads.get(WORKLOAD)
    params = config.load(ROOT, workload)
    limits = params.ingest.model_dump(mode="json")
    rows = [workload.read(dicom(), limits=limits)]
    state = workload.fit(rows, params.preprocess)
    inputs = {name: array[None] for name, array in workload.encode(rows[0], state).items()}
    folder.mkdir(parents=True)
    graph.export(workload.model(params.model, state).eval(), inputs, folder / "model.onnx")
    distance.add(folder / "model.onnx", {n: array.repeat(2, axis=0) for n, array in inputs.items()})
    settings = {
        "workload": WORKLOAD,
        "variant": "fp32",
        "version": 0,
        "run_id": "untrained",
        "temperature": 1.0,
        "threshold": 0.5,
        "familiar": {"distance": 1e6, "share": 0.99},
        "limits": limits,
        "serve": params.serve.model_dump(mode="json"),
    }
    for name, content in {"state": state, "settings": settings, "card": {}}.items():
        files.write_json(folder / f"{name}.json", content)
    return _signed(folder)


def _signed(folder: Path) -> str:
    key = Ed25519PrivateKey.generate()
    facts: dict[str, object] = dict.fromkeys(certificate.FACTS, "bench")
    facts |= {"expires": None, "code": {}}
    facts["digests"] = {name: files.sha256(folder / name) for name in certificate.COVERED}
    files.write_json(folder / certificate.FILE, certificate.issue(facts, key))
    return key.public_key().public_bytes_raw().hex()


def png() -> bytes:
    """A soft picture of `PNG_SIDE_PX`, as large as a radiograph that was exported for a talk."""
    noise = np.random.default_rng(0).integers(0, 255, (PNG_SIDE_PX, PNG_SIDE_PX), dtype=np.uint8)
    return bytes(cv2.imencode(".png", cv2.GaussianBlur(noise, (0, 0), 6))[1])


@functools.cache
def dicom() -> bytes:
    """The largest readable file of the workload's own sample."""
    workload = workloads.get(WORKLOAD)
    limits = config.load(ROOT, workload).ingest.model_dump(mode="json")
    with tempfile.TemporaryDirectory() as folder:
        workload.synthesise(Path(folder), patients=6, seed=1)
        payloads = [
            item.payload for item in workload.source("sample", Path(folder), options={}).items()
        ]
        found = [path.read_bytes() for path in payloads if isinstance(path, Path)]
    for content in sorted(found, key=len, reverse=True):
        with contextlib.suppress(UnreadableError):
            workload.read(content, limits=limits)
            return content
    raise SystemExit("the sample has no readable file")


if __name__ == "__main__":
    main()
