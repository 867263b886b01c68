"""A signed model on probation beside the champion of `brightness`."""

from datetime import UTC, datetime, timedelta

import onnx
from brightness_release import KEY, graph, write_release
from onnx import numpy_helper

from medpipe import certificate, files, probation
from medpipe.paths import PROBATION
from medpipe.probation import Stated, Terms

TERMS = {
    "mode": "shadow",
    "share": 0.0,
    "answers": 200,
    "error_rate": 0.02,
    "latency_p95_ms": 2000.0,
    "agreement": 0.9,
    "began": "2026-01-01T00:00:00+00:00",
}


def put_on_probation(releases, *, slope=8.0, key=KEY, beside=None, until=None, **terms):
    """Version 4 of `brightness`, beside the champion there; logit = slope · (mean − 0.5)."""
    folder = write_release(releases / PROBATION / "brightness", version=4)
    made = graph()
    (eight,) = (each for each in made.graph.initializer if each.name == "eight")
    eight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(eight) * 0 + slope, "eight"))
    onnx.save(made, folder / "model.onnx")
    held = certificate.read(folder)
    facts = {name: held[name] for name in certificate.FACTS}
    facts["digests"] = {name: files.sha256(folder / name) for name in certificate.COVERED}
    certificate.write(certificate.issue(facts, KEY), folder)
    stated = Stated(
        workload="brightness",
        certificate=certificate.digest(certificate.read(folder)),
        beside=beside or certificate.digest(certificate.read(releases / "brightness")),
        terms=Terms(**{**TERMS, "until": until or in_an_hour(), **terms}),
    )
    files.write_json(folder / probation.FILE, probation.signed(stated, key))
    return folder


def in_an_hour():
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()
