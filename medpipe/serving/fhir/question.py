"""A question asked in FHIR: what the predictor is given, and whom and what the answer is about."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass

from medpipe.errors import UnreadableError
from medpipe.io.fhir.chart import Chart
from medpipe.io.fhir.elements import Node, nodes, text
from medpipe.io.fhir.mapping import stated
from medpipe.records import record
from medpipe.serving.intake import RAW_TYPES
from medpipe.serving.predictor import refused
from medpipe.serving.release import Release
from medpipe.workload import Workload

_BASE64 = 4 / 3
"""Characters of base64 for a byte."""


@dataclass(frozen=True)
class Question:
    """What was read from a bundle.

    Parameters
    ----------
    payload : as `Predictor.answer` takes it
    patient, encounter : references, as the bundle spells them
    notes : how the bundle was read, and what of it was left aside
    used : references to what the answer rests on
    """

    payload: bytes
    patient: str
    encounter: str | None
    notes: tuple[str, ...]
    used: tuple[str, ...]


def limit_mib(release: Release) -> int:
    """Of a body: that of the service, and what base64 adds to a file."""
    most = release.settings.serve.max_upload_mib
    return most if release.workload.payload == "record" else math.ceil(most * _BASE64) + 1


def read(
    resources: Iterable[tuple[Node, str]],
    workload: Workload,
    *,
    patient: str | None = None,
    encounter: str | None = None,
    complete: Iterable[str] = (),
) -> Question:
    """The question that `resources` ask `workload`; the other arguments are those of `Chart`.

    Raises
    ------
    RequestError : they do not hold what the question needs, or hold it in a way that is not read;
        status and message say what to send instead
    """
    codes = workload.fhir.codes if workload.fhir is not None else ()
    try:
        chart = Chart(
            resources, patient=patient, encounter=encounter, codes=codes, complete=complete
        )
        return _of_file(chart) if workload.payload == "file" else _of_record(chart, workload)
    except UnreadableError as error:
        raise refused(error) from None


def _of_record(chart: Chart, workload: Workload) -> Question:
    if workload.fhir is None:
        raise UnreadableError(
            f"{workload.name} declares no map from FHIR; send a record to /v1/{workload.name}",
            fault="content",
        )
    found = stated(chart, workload.fhir, record.asked(workload))
    return Question(
        payload=json.dumps(found.record).encode(),
        patient=chart.patient,
        encounter=chart.reference(chart.encounter),
        notes=found.notes,
        used=found.used,
    )


def _of_file(chart: Chart) -> Question:
    """The file in the one Media of the chart. Nothing is fetched from an address."""
    media = chart.of("Media")
    if len(media) != 1:
        raise UnreadableError(
            f"the bundle holds {len(media)} Media; send the file in one", fault="content"
        )
    content = next(iter(nodes(media[0].get("content"))), {})
    if text(content, "contentType") not in RAW_TYPES:
        raise UnreadableError(
            f"Media.content.contentType must be one of {', '.join(RAW_TYPES)}", fault="format"
        )
    try:
        payload = base64.b64decode("".join(text(content, "data").split()), validate=True)
    except (binascii.Error, ValueError):
        payload = b""
    if not payload:
        raise UnreadableError(
            "Media.content.data must hold the file in base64; an address in content.url is not "
            "followed"
        )
    chart.use(media[0])
    encounter = text(media[0].get("encounter"), "reference") or None
    return Question(payload, chart.patient, encounter, chart.notes, chart.used)
