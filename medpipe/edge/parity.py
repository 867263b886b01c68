"""Whether an edge folder answers as the service does, where only numpy and ONNX Runtime are."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from medpipe.config import child_environment
from medpipe.errors import MedpipeError, RequestError
from medpipe.paths import Layout
from medpipe.records import record
from medpipe.serving.predictor import Predictor
from medpipe.serving.release import Release
from medpipe.tables.raw import Raw
from medpipe.tables.ready import Ready
from medpipe.workload import Row, Workload

_PACKAGES = ("numpy", "numpy.libs", "onnxruntime")
_TIMED = 50
_TIMEOUT_S = 600
_OF_THE_SERVICE = frozenset({"answer_id", "duration_ms", "explanation"})
"""Fields that only a service gives."""


def compare(folder: Path, release: Release, layout: Layout, *, examples: int) -> dict[str, Any]:
    """Both answer the same held-back examples.

    Returns
    -------
    examples, p95 and max (of the difference of risks, or of whatever numbers the objective
    answers with), decisions_changed, and latency_ms of the folder {p50, p95, runs, start_s}

    Raises
    ------
    MedpipeError : the folder does not run, or answers what the service refuses, or says otherwise
        by whose authority
    """
    asked = _payloads(release.workload, layout, examples)
    expected = asyncio.run(_service(release, asked))
    with tempfile.TemporaryDirectory(prefix="medpipe-edge-") as scratch:
        paths = []
        for number, payload in enumerate(asked):
            path = Path(scratch) / f"{number:05d}"
            path.write_bytes(payload)
            paths.append(path)
        found = [json.loads(line) for line in alone(folder, *map(str, paths)).splitlines()]
        good = [str(p) for p, each in zip(paths, expected, strict=True) if each is not None]
        timed = json.loads(alone(folder, "--time", str(_TIMED), *good[:16]))
    both = []
    for theirs, ours in zip(expected, found, strict=True):
        if (theirs is None) != ("error" in ours):
            raise MedpipeError(
                "the edge folder and the service do not refuse the same examples; the folder says "
                f"{ours.get('error', 'an answer')!r}. Please report it"
            )
        if theirs is not None:
            both.append((theirs, ours))
    return {**_differences(both), "latency_ms": timed}


def alone(folder: Path, *arguments: str) -> str:
    """What ``run.py`` of `folder` prints where nothing but numpy and ONNX Runtime can be imported.

    Raises
    ------
    MedpipeError : it does not run, or does not trust the folder
    """
    with tempfile.TemporaryDirectory(prefix="medpipe-alone-") as scratch:
        installed = [Path(module.__file__ or "").parents[1] for module in (np, ort)]
        for name in _PACKAGES:
            for place in installed:
                if (place / name).is_dir() and not (Path(scratch) / name).exists():
                    (Path(scratch) / name).symlink_to(place / name)
        done = subprocess.run(
            [sys.executable, "-S", str(folder / "run.py"), *arguments],
            cwd=scratch,
            env=child_environment(PYTHONPATH=scratch),
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
    if done.returncode not in (0, 1) or not done.stdout:
        last = done.stderr.strip().splitlines()[-1:] or ["it printed nothing"]
        raise MedpipeError(f"the edge folder does not run ({done.returncode}): {last[0]}")
    return done.stdout


def _payloads(workload: Workload, layout: Layout, count: int) -> list[bytes]:
    """At most `count` test examples, evenly spread, as they would be sent."""
    examples = Ready(layout.ready).frame("test")["example"].tolist()
    chosen = np.unique(np.linspace(0, len(examples) - 1, count).round().astype(int))
    wanted = {examples[place] for place in chosen}
    rows = Raw(layout.raw, workload.columns).rows([c.name for c in workload.columns], wanted)
    return [_payload(workload, rows[example]) for example in sorted(rows)]


def _payload(workload: Workload, row: Row) -> bytes:
    """`row` as an upload: its record, or the working image, the first column of bytes."""
    if workload.payload == "file":
        content: bytes = row[next(c.name for c in workload.columns if c.dtype == "bytes")]
        return content
    stated = {column.name: row[column.name] for column in record.asked(workload)}
    return json.dumps(_plain(stated)).encode()


def _plain(value: Any) -> Any:
    """`value` as JSON knows it: raw holds numpy's numbers, and nan for what is not known."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, date):
        return value.isoformat()[:10]
    return None if isinstance(value, float) and value != value else value


async def _service(release: Release, payloads: Sequence[bytes]) -> list[dict[str, Any] | None]:
    """The service's own answers; None where it refuses."""
    found: list[dict[str, Any] | None] = []
    with ThreadPoolExecutor(1) as decoders:
        predictor = Predictor(release, decoders=decoders)
        for payload in payloads:
            try:
                answer = await predictor.answer(payload)
            except RequestError:
                found.append(None)
            else:
                said = answer.model_dump(exclude_none=True, exclude=set(_OF_THE_SERVICE))
                found.append(said)
    return found


def _differences(both: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    """How far answers of service and folder lie apart; raises as `compare` does."""
    if not both:
        raise MedpipeError("the service answers none of the held-back examples; nothing to compare")
    for theirs, ours in both:
        for name in (
            "workload",
            "model_version",
            "certificate_sha256",
            "intended_use",
            "threshold",
        ):
            if theirs.get(name) != ours.get(name):
                raise MedpipeError(f"the edge folder says another {name} than the service")
    sizes = [max(_numbers(theirs, ours), default=0.0) for theirs, ours in both]
    changed = sum(theirs.get("decision") != ours.get("decision") for theirs, ours in both)
    return {
        "examples": len(both),
        "p95": float(np.quantile(sizes, 0.95)),
        "max": float(np.max(sizes)),
        "decisions_changed": changed,
    }


def _numbers(theirs: Any, ours: Any) -> list[float]:
    """|Difference| of every number that both say, whatever the nesting."""
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        skipped = {"distance", "warnings", "unfamiliar"}
        names = (theirs.keys() & ours.keys()) - skipped
        return [found for name in names for found in _numbers(theirs[name], ours[name])]
    if isinstance(theirs, list) and isinstance(ours, list):
        return [d for pair in zip(theirs, ours, strict=False) for d in _numbers(*pair)]
    if isinstance(theirs, float) and isinstance(ours, (int, float)):
        return [abs(theirs - ours)]
    return []
