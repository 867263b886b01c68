"""`medpipe export --edge`: the champion as a folder, checked against the service and signed.

The folder holds what the gate signed (state, settings, card, certificate), the part of the artefact
that scores, the very modules that encode a request, and `run.py`. Before it takes its place its
answers are compared with the service's on held-back examples, in a process that can import numpy
and ONNX Runtime alone, and its logits with the release's on the whole test side. What was measured
and the digest of every file are signed by the gate's key (``edge.json``).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from medpipe import certificate, files, keys, reach
from medpipe.artefact import exported
from medpipe.config import Params
from medpipe.edge import parity
from medpipe.edge.run import KEY, STATEMENT
from medpipe.errors import MedpipeError, MissingStageError
from medpipe.evaluation import measures as measured
from medpipe.evaluation.scored import Scored
from medpipe.paths import SOURCE, Layout
from medpipe.serving import release as releases
from medpipe.serving import session
from medpipe.serving.release import Release
from medpipe.serving.session import Session
from medpipe.tables.ready import Ready
from medpipe.workload import Workload

KIND = "medpipe edge folder 1"
_OUTPUTS = ("logit", "distance")
_MODULES = ("medpipe.serving.wording", "medpipe.records.record", "medpipe.edge.ed25519")
_BATCH = 64
_MIB = 1 << 20


@dataclass(frozen=True)
class Asked:
    """What is to be built.

    Parameters
    ----------
    variant : of the artefact; None: the one that the gate released
    examples : held-back ones that both folder and service answer
    """

    variant: str | None
    examples: int


def build(
    workload: Workload, params: Params, layout: Layout, folder: Path, asked: Asked
) -> dict[str, Any]:
    """Write the edge folder of the champion to `folder`, whole, checked and signed, or not at all.

    Returns
    -------
    folder, variant, version, certificate (digest), mib, model_mib, latency_ms, parity and cost

    Raises
    ------
    CertificateError : there is no release, or it does not fit
    MissingStageError : the variant asked for is not of the champion's network
    MedpipeError : the folder answers otherwise than policy allows (``gate.parity_…``)
    """
    release = releases.load(layout.champion, keys.trusted(layout.home))
    variant = asked.variant or release.settings.variant
    source = _model(layout, release, variant)
    with files.new_folder(folder) as here:
        _fill(here, workload, layout, source)
        if (program := exported.program(layout, release.settings.run_id)) is not None:
            shutil.copyfile(program, here / program.name)
        cost = _cost(workload, params, layout, here / "model.onnx", release)
        # Signed twice: the runner under test wants a signature, and what is measured is signed too.
        _sign(here, layout, release, variant, {})
        found = parity.compare(here, release, layout, examples=asked.examples)
        _check(params, cost, found)
        size = sum(path.stat().st_size for path in here.rglob("*") if path.is_file())
        facts = {
            "mib": round(size / _MIB, 3),
            "model_mib": round((here / "model.onnx").stat().st_size / _MIB, 3),
            "latency_ms": found.pop("latency_ms"),
            "parity": found,
            "cost": cost,
        }
        _sign(here, layout, release, variant, facts)
    return {
        "folder": str(folder),
        "variant": variant,
        "version": str(release.settings.version),
        "certificate": release.certificate_sha256,
        **facts,
    }


def _model(layout: Layout, release: Release, variant: str) -> Path:
    """The artefact's file: the release's own, or another variant of the very same network."""
    if variant == release.settings.variant:
        return layout.champion / releases.MODEL
    artefact = exported.find(layout, variant)
    if artefact.run_id != release.settings.run_id:
        raise MissingStageError(
            f"{layout.onnx} is of run {artefact.run_id[:12]}, the champion of "
            f"{release.settings.run_id[:12]}; promote the newer one, or leave out --variant"
        )
    return artefact.path


def _fill(here: Path, workload: Workload, layout: Layout, source: Path) -> None:
    scoring = session.part(onnx.load(source), _OUTPUTS)  # a map costs up to a hundred times more
    (here / "model.onnx").write_bytes(scoring)
    for name in (*certificate.COVERED[1:], certificate.FILE):
        shutil.copyfile(layout.champion / name, here / name)
    signed = certificate.read(layout.champion)
    (here / KEY).write_text(signed["public_key"] + "\n", encoding="utf-8")
    roots = (
        f"medpipe.workloads.{workload.name}",
        f"medpipe.objectives.{workload.objective}",
        *_MODULES,
    )
    found = {path for root in roots for path in reach.loaded(root, SOURCE).values()}
    for path in sorted(found):
        _copy(path, here / path.relative_to(SOURCE))
    own = SOURCE / "medpipe" / "edge"
    _copy(own / "run.py", here / "run.py")
    for path in sorted((own / "standins").rglob("*.py")):
        if path.parent != own / "standins" or path.name != "__init__.py":
            _copy(path, here / path.relative_to(own))


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def _cost(
    workload: Workload, params: Params, layout: Layout, model: Path, release: Release
) -> dict[str, Any]:
    """The main metric of folder and release on the test side, and the paired difference."""
    ready = Ready(layout.ready)
    if ready.state != release.state:
        raise MissingStageError(
            f"{layout.ready} is encoded otherwise than the champion's requests; promote the newer "
            "model, or check out the champion's commit"
        )
    measures = measured.of(workload, ready.frame("train"))
    frame, inputs = ready.frame("test"), ready.arrays("test")
    scored = [
        Scored(frame, _logits(each, inputs, len(frame)))
        for each in (Session(model, threads=1), release.session)
    ]
    ours, theirs = ((each, release.point) for each in scored)
    found = measures.paired(measures.main, ours, theirs, params.evaluate)
    named = {"candidate": "edge", "champion": "release"}
    return {"examples": len(frame), **{named.get(key, key): v for key, v in found.items()}}


def _logits(runs: Session, inputs: Mapping[str, np.ndarray], rows: int) -> np.ndarray:
    pieces = [
        runs.score({n: np.asarray(a[start : start + _BATCH]) for n, a in inputs.items()})
        for start in range(0, rows, _BATCH)
    ]
    return np.concatenate(pieces).astype(np.float64)


def _check(params: Params, cost: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Raise MedpipeError where the folder is farther from the release than an artefact may be."""
    loses = cost["difference"] or 0.0
    lost = loses if cost["better"] == "lower" else -loses
    for what, value, limit, name in (
        (cost["metric"] + " lost", lost, params.gate.parity_auroc, "parity_auroc"),
        (
            "difference of answers",
            found["p95"],
            params.gate.parity_probability,
            "parity_probability",
        ),
    ):
        if not value <= limit:  # nan is refused, too
            raise MedpipeError(
                f"the edge folder is not good: {what} {value:.4g} is above gate.{name} {limit}; "
                "take another --variant"
            )


def _sign(
    here: Path, layout: Layout, release: Release, variant: str, facts: Mapping[str, Any]
) -> None:
    listed = {
        path.relative_to(here).as_posix(): files.sha256(path)
        for path in sorted(here.rglob("*"))
        if path.is_file() and path.name not in (STATEMENT, KEY)
    }
    statement = {
        "kind": KIND,
        "workload": release.settings.workload,
        "variant": variant,
        "certificate": release.certificate_sha256,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": listed,
        **facts,
    }
    signed = certificate.sign(statement, keys.signing_key(layout.home))
    (here / STATEMENT).write_bytes(certificate.canonical(signed))
