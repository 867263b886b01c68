"""Held-back examples with the answers that evaluate recorded, and how near others come to them.

They are of side test, spread over all that the model said there, and are put as any client would:
the de-identified file, or the fields of a record. So reading, encoding, model and wording of the
started image are all held against what the gate judged.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from medpipe import files
from medpipe.errors import CertificateError, DataError, MissingStageError, UnreadableError
from medpipe.paths import Layout
from medpipe.records import record
from medpipe.serving.release import Release
from medpipe.tables.raw import Raw
from medpipe.workload import Row, Workload

EXAMPLES = 32
LIMIT = 1e-3
"""Largest difference of a number in an answer, as `stages.export` allows an artefact; a number
above 1 may differ by that part of itself."""
MEDIA_TYPE = {"file": "application/octet-stream", "record": "application/json"}


@dataclass(frozen=True)
class HeldBack:
    """One example.

    Parameters
    ----------
    expected : those fields of an answer that the model alone decides
    """

    payload: bytes
    expected: Mapping[str, Any]

    @property
    def line(self) -> str:
        """The payload as `inside.ask` reads it."""
        return base64.b64encode(self.payload).decode("ascii")


def held_back(layout: Layout, release: Release) -> list[HeldBack]:
    """At most `EXAMPLES` of the test side, with what the `release` must answer.

    Raises
    ------
    MissingStageError : what was recorded here is of another model
    DataError : none of the examples can be sent
    """
    workload = release.workload
    evaluate = f"medpipe stage evaluate {workload.name}"
    report = files.read_json(layout.report, made_by=evaluate)
    if report["artefact_sha256"] != release.certificate["digests"]["model.onnx"]:
        raise MissingStageError(
            f"{layout.report} records the answers of another model than version "
            f"{release.settings.version}; build its image where that one was evaluated, or "
            f"promote the newest with `medpipe promote {workload.name}`"
        )
    scored = _scored(layout)
    rows = Raw(layout.raw, workload.columns).rows([c.name for c in workload.columns], {*scored})
    found = [
        HeldBack(payload, _expected(release, *scored[name]))
        for name, payload in _payloads(workload, rows)
    ]
    if not found:
        raise DataError(
            f"raw holds no example of side test that can be sent; set ingest.keep_original and "
            f"run `medpipe run {workload.name}`"
        )
    return found


def compare(examples: Sequence[HeldBack], answers: Sequence[Any], release: Release) -> float:
    """The largest difference between a number that was answered and the recorded one.

    Raises
    ------
    CertificateError : it is above `LIMIT`, a decision is another, or another model answered
    """
    largest = 0.0
    for number, (example, answer) in enumerate(zip(examples, answers, strict=True), start=1):
        if answer["certificate_sha256"] != release.certificate_sha256:
            raise CertificateError(f"example {number} was answered under another certificate")
        apart = difference(example.expected, answer)
        if not apart <= LIMIT:  # nan is refused, too
            raise CertificateError(
                f"the started image answers example {number} of {len(examples)} otherwise than "
                f"was recorded when the model was evaluated: a number differs by {apart:.2g}, the "
                f"limit is {LIMIT}; the image was removed"
            )
        largest = max(largest, apart)
    return largest


def difference(expected: Any, found: Any) -> float:
    """Largest difference of the numbers in two answers; inf where anything else differs."""
    if isinstance(expected, Mapping):
        if not isinstance(found, Mapping) or expected.keys() - found.keys():
            return float("inf")
        return max((difference(value, found[name]) for name, value in expected.items()), default=0)
    if isinstance(expected, (list, tuple)):
        if not isinstance(found, (list, tuple)) or len(expected) != len(found):
            return float("inf")
        return max(map(difference, expected, found), default=0)
    if isinstance(expected, float) and isinstance(found, (int, float)):
        return abs(expected - found) / max(1.0, abs(expected))
    return 0.0 if expected == found else float("inf")


def _scored(layout: Layout) -> dict[str, tuple[np.ndarray, float]]:
    """Logits (K,) and distance of at most `EXAMPLES`, from the lowest logit to the highest."""
    scores = pd.read_parquet(layout.evaluation / "scores.parquet")
    logits = [str(name) for name in scores if str(name).split(" ")[0] == "logit"]
    test = scores[scores["split"] == "test"].sort_values([*logits, "example"])
    chosen = np.unique(np.linspace(0, len(test) - 1, min(EXAMPLES, len(test))).round().astype(int))
    test = test.iloc[chosen]
    values = zip(test[logits].to_numpy(np.float64), test["distance"].tolist(), strict=True)
    return dict(zip(test["example"].tolist(), values, strict=True))


def _expected(release: Release, logits: np.ndarray, distance: float) -> Mapping[str, Any]:
    """What the service must say of an example with such `logits`, (K,)."""
    limit, abstains = release.settings.familiar.distance, release.settings.serve.abstain == "refuse"
    said = {"distance": distance / limit}
    if abstains and distance > limit:
        return said | {"abstained": True}
    # As the artefact gave them: () or (K,).
    return said | release.objective.answer(
        logits.reshape(()) if len(logits) == 1 else logits, release.point
    )


def _payloads(workload: Workload, rows: Mapping[str, Row]) -> Iterator[tuple[str, bytes]]:
    """Example and what a client would send; what no client may send is left out."""
    for name, row in rows.items():
        if workload.payload == "file":
            if (kept := row.get("original")) is not None:
                yield name, kept
            continue
        stated = {c.name: row[c.name] for c in record.asked(workload) if row[c.name] is not None}
        body = json.dumps(stated, default=str).encode()  # a day, as 2024-05-31
        try:
            record.parsed(body, workload)
        except UnreadableError:  # raw keeps values that a request may not have
            continue
        yield name, body
