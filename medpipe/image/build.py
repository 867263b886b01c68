"""From champions to an image that deserves its name.

The bento is built into an image under a name that ends in ``-unchecked``. That is started, shut off
from every network, asked the held-back examples, and looked into; only then it gets its own name.
Whatever fails the check is removed.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medpipe import certificate, files, keys
from medpipe.errors import CertificateError, MedpipeError
from medpipe.image import labels, recorded, sbom
from medpipe.image.engine import Engine
from medpipe.image.foundation import Base
from medpipe.image.recorded import HeldBack
from medpipe.package import package
from medpipe.paths import Layout
from medpipe.serving.release import Release, load

READY_LIMIT_S = 60
"""Longest wait for a started image; docs/image.md says what it takes."""
INSIDE = Path(__file__).with_name("inside.py")
_UNCHECKED = "-unchecked"
_AUDIT = {"MEDPIPE_AUDIT": "sqlite:////tmp/audit.db"}
_CUDA = "CUDAExecutionProvider"
_DRIVER = "libcuda.so.1"
"""Comes with the card, from outside the image."""
_MIB = 1 << 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checked:
    """What was seen of a started image.

    Parameters
    ----------
    start_s : from the start of its first process until it was ready
    examples : how many were asked, of all workloads
    difference : the largest between a number of an answer and the recorded one
    found : `inside.inventory`
    """

    start_s: float
    examples: int
    difference: float
    found: dict[str, Any]


def image(
    layouts: Sequence[Layout],
    base: Base,
    engine: Engine,
    *,
    options: Sequence[str] = (),
    on_card: bool = False,
) -> dict[str, Any]:
    """Build, start, check and name one image of promoted models; a bill of materials beside it.

    Parameters
    ----------
    layouts : of each workload, all of one project
    options : for the builder, see `Engine.build`
    on_card : whether to start it with a graphics card; without one an image for cards answers by
        the processor, and must hold all that a card needs but its driver

    Raises
    ------
    CertificateError : a release does not fit its certificate, or the image answers otherwise than
        was recorded
    MissingStageError, DataError : there are no held-back examples with recorded answers
    MedpipeError : the image cannot be built or started, or there is no card to start it with
    """
    home = layouts[0].home
    releases = [load(layout.champion, keys.trusted(home)) for layout in layouts]
    # Before the build, which takes minutes.
    asked = list(map(recorded.held_back, layouts, releases))
    engine.fetch(base.image)
    if on_card:
        engine.require_card(base.image)
    name = str(package(layouts, base)["tag"])
    known, started = labels.of(name, releases, on_card=on_card), time.monotonic()
    unchecked = name + _UNCHECKED
    _log.info("image %s: building with %s", name, engine.builder)
    engine.build(name, unchecked, store=home.bentos, labels=known, options=options)
    _log.info("image %s: built in %.0f s, checking", name, time.monotonic() - started)
    try:
        checked = _check(
            engine, unchecked, releases, asked, for_cards=base.needs_gpu, on_card=on_card
        )
        told = engine.inspect(unchecked)
        bill = sbom.bill(name, checked.found, known, image_id=told["Id"].removeprefix("sha256:"))
        place = home.images / f"{name.replace(':', '-')}.cdx.json"
        files.write_json(place, bill)
    except BaseException:
        engine.remove(unchecked)
        raise
    engine.rename(unchecked, name)
    seen = _told(checked) | {"on_card": on_card, "sbom": str(place), "labels": known}
    return {"image": name, "id": told["Id"], "mib": round(told["Size"] / _MIB, 1)} | seen


def _told(checked: Checked) -> dict[str, Any]:
    """What of `checked` is printed."""
    found = checked.found
    return {
        "start_s": checked.start_s,
        "examples": checked.examples,
        "largest_difference": checked.difference,
        **{name: found[name] for name in ("uid", "providers", "compilers")},
        "libraries": sorted(found["libraries"]),
        "packages": {part: len(found[part]) for part in ("packages", "system")},
    }


def _check(
    engine: Engine,
    image: str,
    releases: Sequence[Release],
    asked: Sequence[Sequence[HeldBack]],
    *,
    for_cards: bool,
    on_card: bool,
) -> Checked:
    """Start `image` and raise unless it is what it should be."""
    program = INSIDE.read_text(encoding="utf-8")
    largest = 0.0
    with engine.started(image, environment=_AUDIT, gpu=on_card) as container:
        start_s = engine.ask(container, program, "ready", str(READY_LIMIT_S))
        engine.ask(container, labels.HEALTHY)
        for release, examples in zip(releases, asked, strict=True):
            workload = release.workload
            route, kind = f"/v1/{workload.name}", recorded.MEDIA_TYPE[workload.payload]
            given = "".join(f"{example.line}\n" for example in examples)
            answers = engine.ask(container, program, "ask", route, kind, given=given)
            largest = max(largest, recorded.compare(examples, answers, release))
        found = engine.ask(container, program, "inventory")
    _fits(found, releases)
    if for_cards:
        computes(found, on_card=on_card)
    return Checked(start_s, sum(map(len, asked)), largest, found)


def _fits(found: Mapping[str, Any], releases: Sequence[Release]) -> None:
    """Raise unless what is in the image is what was packed, for whom it was packed."""
    if found["uid"] == 0:
        raise MedpipeError("the image runs as root; its base must let BentoML make its own user")
    signed = {release.workload.name: release.certificate["digests"] for release in releases}
    there = {
        workload: {name: digests.get(name) for name in certificate.COVERED}
        for workload, digests in found["releases"].items()
    }
    if there != signed:
        raise CertificateError(
            f"the image holds {json.dumps(sorted(there))} and not just what the certificates of "
            f"{json.dumps(sorted(signed))} cover; remove .medpipe/bentoml and build again"
        )


def computes(found: Mapping[str, Any], *, on_card: bool) -> None:
    """Raise unless an image for graphics cards computes on one, as far as can be seen here.

    Parameters
    ----------
    found : `inside.inventory`
    on_card : whether it was started with one
    """
    closed = {why for why in found["libraries"].values() if why}
    if not on_card:  # one of cuDNN's parts needs the driver, too: that is all the loader says of it
        closed = {why for why in closed if not why.startswith(f"{_DRIVER}: ")}
    if closed or not found["libraries"]:
        reasons = "; ".join(sorted(closed)) or "ONNX Runtime in it is the one for processors"
        raise MedpipeError(
            f"the image cannot compute on a graphics card: {reasons}. `image.cuda_base` in "
            "params.yaml must name a base with the libraries of CUDA 13 and cuDNN 9"
        )
    if on_card and _CUDA not in found["providers"]:
        raise MedpipeError(
            f"the image was started with a graphics card, but computes with "
            f"{', '.join(found['providers'])}: the card or its driver is too old for CUDA 13 "
            "(`nvidia-smi` names both). Renew the driver, or build without --gpu"
        )
