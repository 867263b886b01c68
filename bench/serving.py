"""The service against FastAPI with ONNX Runtime, and against ``mlflow models serve``.

The same model and the same uploads, on one process each (`peers.py`): FastAPI and MLflow as a
careful person writes them, and FastAPI with medpipe's own reader and session, so that only the
serving differs. The int8 form of the model, and medpipe without its record of answers, beside it.
medpipe is as a hospital runs it: every answer is on the disk, on record, before it leaves.

Each server listens on a free port of this machine, all are up all along, and cells alternate, so
that what else the machine does meets all of them. CPU is what a server's processes used per answer:
it tells more than the clock on a busy machine. What a flush of the disk took meanwhile is printed
too: a lone client waits for one.

    python bench/serving.py [--seconds 3] [--rounds 2] [--clients 1 8 32] [--servers …]
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import functools
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import ingest
import machine
import numpy as np
import peers
import psutil
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from medpipe import certificate, config, files, workloads
from medpipe.errors import UnreadableError
from medpipe.monitoring import facts, pixels
from medpipe.monitoring.facts import Watched
from medpipe.workload import Row, State, Workload

ROOT = Path(__file__).resolve().parents[1]
WORKLOAD = peers.WORKLOAD
PNG_SIDE_PX = 1024
WARM_UP_S = 1.5
ALIKE = 1e-4
"""Between risks of the same upload: who windows before reducing has other roundings."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=float, default=3, help="per cell and round [3]")
    arguments.add_argument("--rounds", type=int, default=2, help="of each cell [2]")
    arguments.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    arguments.add_argument("--uploads", nargs="+", default=list(UPLOADS), choices=UPLOADS)
    names = [kind.name for kind in KINDS]
    arguments.add_argument("--servers", nargs="+", default=names, choices=names, metavar="NAME")
    given = arguments.parse_args()
    kinds = [kind for kind in KINDS if kind.name in given.servers]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        servers = [stack.enter_context(served(one, Path(folder))) for one in kinds]
        for name in given.uploads:
            compare(
                servers, name, clients=given.clients, seconds=given.seconds, rounds=given.rounds
            )
        print(f"\na flush of this disk: {flush_ms(Path(folder)):.2f} ms (median of 200)")
    print(machine.line("onnxruntime", "fastapi", "mlflow"))


def compare(
    servers: list[Server], name: str, *, clients: list[int], seconds: float, rounds: int
) -> None:
    """Print the table of one kind of upload."""
    content = UPLOADS[name]()
    release = servers[0].audit.parent / "releases" / WORKLOAD
    if (apart := peers.difference(release, content)) > ALIKE:
        raise SystemExit(f"the peers read {name} otherwise: {apart:.4f} between their risks")
    print(f"\n{name}, {len(content) // 1024} KiB:\n")
    print("| clients | server | answers/s | p50 ms | p99 ms | CPU ms/answer | the first is |")
    print("|---|---|---|---|---|---|---|")
    for server in servers:
        asyncio.run(load(server, content, clients=4, seconds=WARM_UP_S))
    for count in clients:
        cells = {server.kind.name: Cell() for server in servers}
        for _ in range(rounds):
            for server in servers:
                cell = asyncio.run(load(server, content, clients=count, seconds=seconds))
                cells[server.kind.name] += cell
        ours = cells[servers[0].kind.name]
        for kind, cell in cells.items():
            times = "" if cell is ours else f"{ours.rate / cell.rate:.2f} ×"
            print(f"| {count} | {kind} | {cell.row} | {times} |", flush=True)


@dataclass
class Cell:
    """What some clients saw of one server."""

    latencies: list[float] = field(default_factory=list)
    took_s: float = 0.0
    cpu_s: float = 0.0

    def __iadd__(self, other: Cell) -> Cell:
        self.latencies += other.latencies
        self.took_s += other.took_s
        self.cpu_s += other.cpu_s
        return self

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.took_s

    @property
    def row(self) -> str:
        """Rate, 50th and 99th percentile, processor time, as in the table."""
        cuts = statistics.quantiles(self.latencies, n=100)
        figures = (cuts[49] * 1e3, cuts[98] * 1e3, 1e3 * self.cpu_s / len(self.latencies))
        return " | ".join([f"{self.rate:.0f}", *(f"{figure:.1f}" for figure in figures)])


def form(path: str, content: bytes) -> bytes:
    """An HTTP request with `content` as the field ``file`` of a form."""
    part = 'Content-Disposition: form-data; name="file"; filename="image"\r\n\r\n'
    body = f"--cut\r\n{part}".encode() + content + b"\r\n--cut--\r\n"
    return _request(path, body, "multipart/form-data; boundary=cut")


def in_json(path: str, content: bytes) -> bytes:
    """An HTTP request as MLflow takes it."""
    body = json.dumps({"inputs": [base64.b64encode(content).decode()]}).encode()
    return _request(path, body, "application/json")


def _request(path: str, body: bytes, kind: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: {kind}\r\n\r\n"
    )
    return head.encode() + body


@dataclass(frozen=True)
class Kind:
    """A server that can be started.

    Parameters
    ----------
    command : module of Python, and its arguments
    ready, path : where it says that it is ready, and where uploads go
    request : from path and upload to an HTTP request
    variant : of the model
    """

    name: str
    command: str
    ready: str = "/readyz"
    path: str = f"/v1/{WORKLOAD}"
    request: Callable[[str, bytes], bytes] = form
    variant: str = "fp32"


_UVICORN = "uvicorn --factory --no-access-log --log-level warning peers:"
_MLFLOW = "mlflow models serve --env-manager local --workers 1 --model-uri mlflow"
MEDPIPE = Kind("medpipe", "bentoml serve")
KINDS = (
    MEDPIPE,
    Kind("medpipe, int8", "bentoml serve", variant="int8"),
    Kind("medpipe, no record", _UVICORN + "unrecorded"),
    Kind("FastAPI + ORT", _UVICORN + "plain", ready="/ready", path="/predict"),
    Kind("FastAPI + ORT, medpipe's reader", _UVICORN + "tuned", ready="/ready", path="/predict"),
    Kind("mlflow models serve", _MLFLOW, ready="/ping", path="/invocations", request=in_json),
)


@dataclass(frozen=True)
class Server:
    """One that is running."""

    kind: Kind
    port: int
    process: psutil.Process
    audit: Path

    def cpu_s(self) -> float:
        """Processor time so far, of all its processes."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(sum(each.cpu_times()[:2]) for each in family)


async def load(server: Server, content: bytes, *, clients: int, seconds: float) -> Cell:
    """What `clients` that never rest see."""
    request = server.kind.request(server.kind.path, content)
    cell, cpu_s, started = Cell(), server.cpu_s(), time.perf_counter()
    asked = (_client(server.port, request, started + seconds, cell) for _ in range(clients))
    await asyncio.gather(*asked)
    cell.took_s = time.perf_counter() - started
    cell.cpu_s = server.cpu_s() - cpu_s
    return cell


async def _client(port: int, request: bytes, until: float, cell: Cell) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (started := time.perf_counter()) < until:
        status, body = await exchange(reader, writer, request)
        if status != 200:
            raise SystemExit(f"the server refused: {status} {body[:200]!r}")
        cell.latencies.append(time.perf_counter() - started)
    writer.close()


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, bytes]:
    """Status and body of the response to `request`."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
    body = await reader.readexactly(int(fields[b"content-length"]))
    return int(head.split(b" ", 2)[1]), body


@contextlib.contextmanager
def served(kind: Kind, folder: Path, **told: str) -> Iterator[Server]:
    """A server of `kind` in a new folder below `folder`, which ends with the block.

    `told` are environment variables; the record of answers is ``audit.db`` in its folder.
    """
    home = folder / kind.name.replace(" ", "-")
    trusted = make_release(home / "releases" / WORKLOAD, variant=kind.variant)
    if kind.command == _MLFLOW:
        peers.save(home / "releases" / WORKLOAD, home / "mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "MEDPIPE_RELEASES": str(home / "releases"),
        "MEDPIPE_TRUSTED_KEYS": trusted,
        "MEDPIPE_AUDIT": f"sqlite:///{home / 'audit.db'}",  # on the disk, as it is
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "bench")]),
        **told,
    }
    command = [sys.executable, "-m", *kind.command.split(), "--port", str(port)]
    where = home if kind.command == _MLFLOW else ROOT
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=where, env=environment, stdout=log, stderr=log)
        try:
            _wait(f"http://127.0.0.1:{port}{kind.ready}", server, home / "log")
            yield Server(kind, port, psutil.Process(server.pid), home / "audit.db")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(20)


def _wait(address: str, server: subprocess.Popen[bytes], log: Path, limit_s: float = 60) -> None:
    until = time.monotonic() + limit_s
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.2)
    raise SystemExit(f"{address} was not ready; its log ends with\n{log.read_text()[-2000:]}")


def make_release(
    folder: Path, *, variant: str = "fp32", name: str = WORKLOAD, rows: Sequence[Row] = ()
) -> str:
    """An untrained network of params.yaml as a signed release; its public key, hexadecimal.

    A trained one would be exactly as fast. The key is made for this and thrown away.

    Parameters
    ----------
    rows : that the encoder is fitted on; by default the sample's largest film
    """
    # Delayed: torch, which no server needs.
    from medpipe.artefact import distance, graph, int8

    workload = workloads.get(name)
    params = config.load(ROOT, workload)
    limits = params.ingest.model_dump(mode="json")
    rows = rows or [workload.read(dicom(), limits=limits)]
    state = workload.fit(rows, params.preprocess)
    encoded = [workload.encode(row, state) for row in (*rows, rows[0])]
    inputs = {each: np.stack([one[each] for one in encoded]) for each in encoded[0]}
    first = {each: array[:1] for each, array in inputs.items()}
    folder.mkdir(parents=True)
    model = folder / "model.onnx"
    graph.export(workload.model(params.model, state).eval(), first, model)
    if variant == "int8":
        int8.quantise(model, model, first)
    distance.add(model, inputs)
    settings = {
        "workload": name,
        "variant": variant,
        "version": 0,
        "run_id": "untrained",
        "temperature": 1.0,
        "threshold": 0.5,
        "familiar": {"distance": 1e6, "share": 0.99},
        "limits": limits,
        "serve": params.serve.model_dump(mode="json"),
        "watched": _reference(workload, rows[0], state).model_dump(mode="json"),
    }
    for each, content in {"state": state, "settings": settings, "card": {}}.items():
        files.write_json(folder / f"{each}.json", content)
    return _signed(folder)


def _reference(workload: Workload, row: Row, state: State) -> Watched:
    """Bins for all that medpipe would watch of such an example; where they lie costs nothing."""
    asked = facts.inputs(row, facts.columns(workload))
    asked |= pixels.of_inputs(workload.encode(row, state))
    spread = [float(number) for number in range(100)]
    made = [
        facts.fact(name, "input", [value] * 9 if isinstance(value, str) else spread)
        for name, value in asked.items()
    ]
    made += [facts.fact(name, "score", spread) for name in ("risk", "distance")]
    made += [facts.fact(name, "feature", spread) for name in facts.directions(range(16))]
    return Watched(splits=("val", "test"), examples=100, facts=tuple(made))


def _signed(folder: Path) -> str:
    key = Ed25519PrivateKey.generate()
    facts: dict[str, object] = dict.fromkeys(certificate.FACTS, "bench")
    facts |= {"expires": None, "code": {}}
    facts["digests"] = {name: files.sha256(folder / name) for name in certificate.COVERED}
    files.write_json(folder / certificate.FILE, certificate.issue(facts, key))
    return key.public_key().public_bytes_raw().hex()


def png(side_px: int = PNG_SIDE_PX) -> bytes:
    """A soft square picture, at `PNG_SIDE_PX` as large as a film that was exported for a talk."""
    noise = np.random.default_rng(0).integers(0, 255, (side_px, side_px), dtype=np.uint8)
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


UPLOADS: dict[str, Callable[[], bytes]] = {
    f"PNG {PNG_SIDE_PX}²": png,
    f"DICOM {ingest.SIDE_PX}², uncompressed": functools.partial(ingest.film, 1),
    "the largest DICOM of the sample": dicom,
}
"""A film exported for a talk; as a detector sends it; and so small that only the serving counts."""


def flush_ms(folder: Path, count: int = 200) -> float:
    """Median time that the disk of `folder` needs to have 4 KiB for good."""
    took = []
    with (folder / "flush").open("wb") as file:
        for _ in range(count):
            file.write(bytes(4096))
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - started)
    return 1e3 * statistics.median(took)


if __name__ == "__main__":
    main()
