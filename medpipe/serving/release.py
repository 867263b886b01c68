"""The folder that the service loads, and the refusal to load one that nobody has signed for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medpipe import certificate, objectives, workloads
from medpipe.config import ServeParams
from medpipe.errors import CertificateError, MissingStageError, ParamsError
from medpipe.monitoring.facts import Watched
from medpipe.objectives.objective import Objective, Point
from medpipe.paths import SOURCE
from medpipe.serving.session import Bound, Session
from medpipe.workload import State, Workload

MODEL, STATE, SETTINGS, CARD = certificate.COVERED
PACKAGED = "releases"
"""Folder of a bento that holds its releases, one per workload."""


class Settings(BaseModel):
    """What the gate allowed the service to do with the model: ``settings.json``.

    Beside these it holds the operating point, whose parts the objective knows.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    workload: str
    variant: str
    version: int | str
    run_id: str
    familiar: Bound
    limits: dict[str, Any]
    serve: ServeParams = Field(default_factory=lambda: ServeParams.model_validate({}))
    watched: Watched = Field(default_factory=Watched)


@dataclass(frozen=True)
class Release:
    """A promoted model, ready to answer.

    Parameters
    ----------
    objective : of `workload`; turns logits, with `point`, into answers
    certificate_sha256 : `certificate.digest`, which every answer carries
    """

    workload: Workload
    objective: Objective
    point: Point
    session: Session
    state: State
    settings: Settings
    card: dict[str, Any]
    certificate: dict[str, Any]
    certificate_sha256: str


def load(folder: Path, trusted: Sequence[bytes]) -> Release:
    """The release in `folder`, after its certificate has been checked against its files.

    Parameters
    ----------
    trusted : public keys, 32 bytes each

    Raises
    ------
    CertificateError : a file is missing or broken, the certificate is not signed by one of
        `trusted` or names other contents or other code, or has expired, or the workload is another
        one, or not installed
    """
    signed = certificate.read(folder)
    certificate.verify(signed, folder, trusted)
    certificate.verify_code(signed, SOURCE)
    certificate.verify_time(signed, datetime.now(UTC))
    settings = _settings(folder)
    workload = _workload(settings.workload, folder)
    objective = _objective(workload, folder)
    return Release(
        workload=workload,
        objective=objective,
        point=_point(objective, folder),
        session=_session(folder, settings, objective),
        state=_json(folder, STATE),
        settings=settings,
        card=_json(folder, CARD),
        certificate=signed,
        certificate_sha256=certificate.digest(signed),
    )


def _session(folder: Path, settings: Settings, objective: Objective) -> Session:
    try:
        session = Session(folder / MODEL, threads=settings.serve.threads)
    except MissingStageError as error:
        raise CertificateError(f"release {folder.name!r} cannot be served: {error}") from None
    if not session.knows_distance:
        raise CertificateError(
            f"release {folder.name!r} is of an earlier medpipe: its model does not say how far an "
            f"input is from its training data; run `dvc repro evaluate@{folder.name}` and "
            f"`medpipe promote {folder.name}` again"
        )
    # A class that the workload's file gained later would give every answer another one's name.
    if session.width != objective.outputs:
        raise CertificateError(
            f"release {folder.name!r} cannot be served here: its model has {session.width} "
            f"outputs, and the workload's labels ask for {objective.outputs}; train it again"
        )
    return session


def _objective(workload: Workload, folder: Path) -> Objective:
    try:
        found = objectives.of(workload)
        _ = found.outputs  # may be asked of every objective, but not of every label column
        return found
    except ParamsError as error:
        raise CertificateError(f"release {folder.name!r} cannot be served here: {error}") from None


def _point(objective: Objective, folder: Path) -> Point:
    try:
        found: Point = objective.point(_json(folder, SETTINGS))
    except ParamsError as error:
        raise CertificateError(f"{SETTINGS} of release {folder.name!r} is wrong: {error}") from None
    return found


def _workload(name: str, folder: Path) -> Workload:
    # A release of another question, put under this name, would be signed and still be wrong here.
    if name != folder.name:
        raise CertificateError(
            f"release {folder.name!r} is of workload {name!r}; promote {folder.name} again"
        )
    try:
        return workloads.get(name)
    except ParamsError as error:
        raise CertificateError(f"release {folder.name!r} cannot be served here: {error}") from None


def _settings(folder: Path) -> Settings:
    try:
        return Settings.model_validate(_json(folder, SETTINGS))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors()
        )
        raise CertificateError(
            f"{SETTINGS} of release {folder.name!r} is wrong, or of an earlier medpipe: {wrong}; "
            f"run `dvc repro evaluate@{folder.name}` and `medpipe promote {folder.name}` again"
        ) from None


def _json(folder: Path, name: str) -> dict[str, Any]:
    try:
        content = json.loads((folder / name).read_bytes())
    except OSError as error:
        raise CertificateError(
            f"release {folder.name!r} has no readable {name} ({error.strerror}); "
            f"run `medpipe promote {folder.name}`"
        ) from None
    except ValueError:  # neither JSON nor, at times, UTF-8
        raise CertificateError(
            f"{name} of release {folder.name!r} is not whole; run `medpipe promote {folder.name}`"
        ) from None
    if not isinstance(content, dict):
        raise CertificateError(f"{name} of release {folder.name!r} does not hold a JSON object")
    return content
