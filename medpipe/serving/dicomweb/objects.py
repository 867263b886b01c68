"""An answer as DICOM objects. Importing this loads highdicom: half a second, and 90 MiB."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import cv2
import numpy as np

from medpipe import __version__
from medpipe.io import derived, secondary_capture, structured_report
from medpipe.io.derived import Made, Maker, Origin
from medpipe.io.structured_report import NO, NO_UNIT, PROBABILITY, YES, Measured, Result
from medpipe.io.terminology import IMAGING, Code
from medpipe.serving.predictor import Answer
from medpipe.serving.release import Release
from medpipe.workload import Workload

THRESHOLD = derived.private("threshold", "Operating point: threshold of the probability")
REACHED = derived.private("reached", "Probability reaches the threshold")
MOST_PROBABLE = derived.private("most-probable", "Most probable of the classes")


def made(answer: Answer, origin: Origin, release: Release) -> list[Made]:
    """The report, and the map where the answer has one drawn over the image."""
    workload = release.workload
    maker = Maker(
        name=workload.name,
        title=workload.title,
        version=answer.model_version,
        software=__version__,
        certificate_sha256=answer.certificate_sha256,
    )
    results = list(_results(answer, workload))
    report = structured_report.write(
        origin,
        maker,
        results or [Result(_code(workload, workload.label, workload.title))],
        procedure=workload.procedure or IMAGING,
        comments=(
            f"{derived.RESEARCH}.",
            f"Answer {answer.answer_id}.",
            *answer.caveats(),
            f"Intended use: {workload.intended_use}",
            f"Not for: {workload.not_for}",
        ),
        is_complete=bool(results),
    )
    if answer.explanation is None or answer.explanation.media_type != "image/png":
        return [report]
    picture = base64.b64decode(answer.explanation.picture)
    drawn = np.asarray(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR))
    rgb = cv2.cvtColor(drawn, cv2.COLOR_BGR2RGB)
    return [report, secondary_capture.write(origin, maker, rgb)]


def _results(answer: Answer, workload: Workload) -> Iterator[Result]:
    """One for each thing that the answer says something of; none where the model says nothing."""
    if answer.risk is not None and answer.threshold is not None:
        finding = _code(workload, workload.label, workload.title)
        yield _flagged(finding, answer.risk, answer.threshold, is_reached=bool(answer.decision))
    for label in answer.labels or ():
        finding = _code(workload, label.name, label.meaning)
        yield _flagged(finding, label.risk, label.threshold, is_reached=label.decision)
    for each in answer.classes or ():
        yield Result(
            _code(workload, each.name, each.name),
            (Measured(PROBABILITY, each.probability),),
            ((MOST_PROBABLE, YES if each.name == answer.decision else NO),),
        )
    if answer.value is not None:
        yield _quantity(answer, _code(workload, workload.label, workload.title))


def _flagged(finding: Code, risk: float, threshold: float, *, is_reached: bool) -> Result:
    return Result(
        finding,
        (Measured(PROBABILITY, risk), Measured(THRESHOLD, threshold)),
        ((REACHED, YES if is_reached else NO),),
    )


def _quantity(answer: Answer, finding: Code) -> Result:
    unit = derived.private(answer.unit, answer.unit) if answer.unit else NO_UNIT
    share = f"of the range that holds {answer.coverage or 0:.0%} of true values"
    ends = (("low", "Lower end", answer.low), ("high", "Upper end", answer.high))
    return Result(
        finding,
        (
            Measured(finding, answer.value or 0.0, unit),
            *(
                Measured(derived.private(name, f"{end} {share}"), value, unit)
                for name, end, value in ends
                if value is not None
            ),
        ),
    )


def _code(workload: Workload, name: str, meaning: str) -> Code:
    return workload.codes.get(name) or derived.private(name, meaning or name)
