"""The model that wants to be served: what evaluate and export left, checked to belong together.

Its content digest stands for all that the service would do with it: the artefact's bytes, the
encoding's state and code, the operating point, what is familiar, and limits. The same content is
the same version, however often and by whichever road it is promoted; another threshold is another
version.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from medpipe import certificate, config, files, reach
from medpipe.errors import MissingStageError
from medpipe.gate import Verdict
from medpipe.paths import SOURCE, Layout
from medpipe.sections import GateParams
from medpipe.workload import Workload

_NEEDED = (
    ("run_id",),
    ("variant",),
    ("artefact_sha256",),
    ("data", "raw_version"),
    ("data", "commit"),
    ("receipt", "digest"),
    ("splits", "test", "metrics"),
    ("objective", "main"),
    ("operating_point",),
    ("familiar", "distance"),
    ("familiar", "share"),
)
"""What the report must have, be it null, for a release to be made of it."""

_OF_THE_ANSWER = (
    *("objective", "operating_point", "calibration", "threshold", "interval", "familiar"),
    "recalibration",
)
"""Sections that say how an answer comes about; which there are depends on the objective."""


@dataclass(frozen=True)
class Candidate:
    """A report and the files that it is about.

    Parameters
    ----------
    settings : settings.json without what the registry adds (version)
    code : file of ours that reads and encodes an example, below `SOURCE` → SHA-256
    content : see the module
    base : content of the trained model, where this is a recalibration of it
    expires : of the certificate that it inherits; None for a day of its own
    tags : of its version, beside the usual ones
    """

    workload: Workload
    report: dict[str, Any]
    report_sha256: str
    model: Path
    state: Path
    settings: dict[str, Any]
    code: dict[str, str]
    content: str
    base: str | None = None
    expires: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        return str(self.report["run_id"])


def read(workload: Workload, params: config.Params, layout: Layout) -> Candidate:
    """The candidate in the project's folders.

    Raises
    ------
    MissingStageError : report or artefact is missing, or one is not about the other; the message
        says which stage to run
    """
    evaluate = f"medpipe stage evaluate {workload.name}"
    report = files.read_json(layout.report, made_by=evaluate)
    for path in _NEEDED:
        _require(report, path, layout.report, evaluate)
    if report["variant"] != params.evaluate.variant:
        raise MissingStageError(
            f"{layout.report} is about variant {report['variant']!r}, params.yaml now asks for "
            f"{params.evaluate.variant!r}; run `{evaluate}` again"
        )
    model = _artefact(layout, report, evaluate)
    state = layout.onnx / "state.json"
    files.read_json(state, made_by=f"medpipe stage export {workload.name}")
    settings, code = _settings(report, params), encoder(workload.name)
    return Candidate(
        workload=workload,
        report=report,
        report_sha256=files.sha256(layout.report),
        model=model,
        state=state,
        settings=settings,
        code=code,
        content=content(report["artefact_sha256"], state, settings, code),
    )


def content(artefact: str, state: Path, settings: dict[str, Any], code: dict[str, str]) -> str:
    """See the module.

    Parameters
    ----------
    artefact : SHA-256 of the ONNX file
    settings, code : see `Candidate`
    """
    parts = {
        "model": artefact,
        "state": files.sha256(state),
        "settings": {name: value for name, value in settings.items() if name != "run_id"},
        "code": code,
    }
    return certificate.digest(parts)


def encoder(workload: str) -> dict[str, str]:
    """Files of ours that importing `workload` loads, below `SOURCE`, with their SHA-256.

    What it imports later serves training and sources, not answers.
    """
    found = reach.loaded(f"medpipe.workloads.{workload}", SOURCE).values()
    return {path.relative_to(SOURCE).as_posix(): files.sha256(path) for path in sorted(found)}


def write_release(
    candidate: Candidate,
    folder: Path,
    *,
    version: str,
    verdict: Verdict,
    policy: GateParams,
    change: dict[str, Any],
    approver: str,
    key: Ed25519PrivateKey,
    now: datetime,
) -> dict[str, Any]:
    """The release of `candidate` into the empty `folder`; gives its certificate, issued `now`.

    Parameters
    ----------
    change : what `certificate.FACTS` names of the change plan; see `judgement.stated`
    """
    shutil.copyfile(candidate.model, folder / "model.onnx")
    shutil.copyfile(candidate.state, folder / "state.json")
    files.write_json(folder / "settings.json", {**candidate.settings, "version": version})
    files.write_json(folder / "card.json", _card(candidate, version))
    report, days = candidate.report, policy.valid_days
    facts = {
        "workload": candidate.workload.name,
        "version": version,
        "run_id": candidate.run_id,
        "commit": report["data"]["commit"],
        "raw_version": report["data"]["raw_version"],
        "receipt": report["receipt"]["digest"],
        "report": candidate.report_sha256,
        "metrics": report["splits"]["test"]["metrics"],
        "checks": verdict.as_json()["checks"],
        "policy": certificate.digest(policy.model_dump(mode="json")),
        **change,
        "approver": approver,
        "issued": now.isoformat(),
        "expires": candidate.expires or (days and (now + timedelta(days=days)).isoformat()),
        "digests": {name: files.sha256(folder / name) for name in certificate.COVERED},
        "code": candidate.code,
    }
    signed = certificate.issue(facts, key)
    certificate.write(signed, folder)
    return signed


def _require(report: Any, path: tuple[str, ...], where: Path, evaluate: str) -> None:
    for depth, step in enumerate(path, start=1):
        if not isinstance(report, dict) or step not in report:
            raise MissingStageError(
                f"{where} has no {'.'.join(path[:depth])}; run `{evaluate}` again"
            )
        report = report[step]


def _artefact(layout: Layout, report: dict[str, Any], evaluate: str) -> Path:
    """The ONNX file that the report is about."""
    export = f"medpipe stage export {layout.workload}"
    described = files.read_json(layout.onnx / "artefact.json", made_by=export)
    variant = report["variant"]
    if variant not in described["variants"]:
        raise MissingStageError(f"{layout.onnx} has no variant {variant!r}; run `{export}` again")
    model = layout.onnx / str(described["variants"][variant]["file"])
    if not model.is_file():
        raise MissingStageError(f"{model} is not there; run `{export}` again")
    found, expected = files.sha256(model), report["artefact_sha256"]
    if found != expected:
        raise MissingStageError(
            f"{layout.report} measures an artefact with the SHA-256 {str(expected)[:16]}…, but "
            f"{model.name} has {found[:16]}…; run `{evaluate}` again"
        )
    return model


def _settings(report: dict[str, Any], params: config.Params) -> dict[str, Any]:
    sections = config.effective(params)
    return {
        "workload": report["workload"],
        "variant": report["variant"],
        "run_id": report["run_id"],
        **report["operating_point"],
        "familiar": {name: report["familiar"][name] for name in ("distance", "share")},
        "limits": sections["ingest"],
        "serve": sections["serve"],
        # A report of an earlier medpipe has none: its release answers, and nothing is watched.
        **{name: report[name] for name in ("watched",) if name in report},
    }


def _card(candidate: Candidate, version: str) -> dict[str, Any]:
    """What a person should know before using the model."""
    workload, report = candidate.workload, candidate.report
    return {
        "workload": workload.name,
        "title": workload.title,
        "intended_use": workload.intended_use,
        "not_for": workload.not_for,
        "version": version,
        "run_id": candidate.run_id,
        "variant": report["variant"],
        "measured": report.get("created"),
        "data": report["data"],
        "split": report.get("params", {}).get("split"),
        "splits": report["splits"],
        **{name: report[name] for name in _OF_THE_ANSWER if name in report},
        "subgroups": report.get("subgroups", []),
        "receipt": report["receipt"],
    }
