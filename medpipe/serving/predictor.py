"""From the bytes of an upload to an answer.

Reading and encoding are the workload's own, the very functions that made the training data, so
that the service cannot see an image otherwise than the model did. They run in threads, because the
decoders let go of Python's lock; the model runs in one further thread, on batches.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from medpipe.audit.record import new_id
from medpipe.errors import Fault, RequestError, UnreadableError
from medpipe.monitoring import facts, pixels
from medpipe.records import record
from medpipe.serving.batching import Batcher
from medpipe.serving.release import Release, Settings
from medpipe.serving.wording import Limit, said
from medpipe.workload import Row

STATUS: dict[Fault, int] = {
    "format": 415,
    "coding": 415,
    "broken": 400,
    "kind": 422,
    "content": 422,
    "size": 413,
}
"""HTTP status of an upload that the workload cannot read."""

Inputs = Mapping[str, np.ndarray]
Values = Mapping[str, facts.Value]
Judged = tuple[np.ndarray, float, np.ndarray]
"""Logits, distance and directions of one example."""
T = TypeVar("T")


class Moved(BaseModel):
    """Something in the example that moved the answer."""

    what: str
    value: str = Field(description="As it was sent, with its unit")
    effect: float = Field(description="Change of the logit by it; above 0 it raised the risk")


class Explanation(BaseModel):
    """Where the evidence lies, as the served artefact itself says."""

    media_type: str
    picture: str = Field(description="Base64 of the drawing")
    plain: str | None = Field(
        None, description="Base64 of the same picture with nothing drawn over it, where there is"
    )
    reasons: list[Moved] = Field(description="Strongest first; empty where only a picture can tell")


class Possible(BaseModel):
    """The outcomes that cannot be ruled out for this example (a conformal prediction set)."""

    outcomes: list[str] = Field(description="One, several, or none that fits")
    words: str = Field(description='The outcomes joined by "or"; "cannot tell"; "none fits"')
    coverage: float = Field(
        ge=0, le=1, description="Share of patients whose true outcome is among such outcomes"
    )

    def sentence(self, label: str = "") -> str:
        """For a reader of notes, of the question or of one of its labels."""
        outcomes = ", ".join(self.outcomes) or "nothing (no outcome fits)"
        return (
            f"{label}{': ' if label else ''}not ruled out: {outcomes}; such sets hold the true "
            f"outcome of {self.coverage:.0%} of patients"
        )


class ClassProbability(BaseModel):
    """One of several classes."""

    name: str
    probability: float = Field(ge=0, le=1, description="Calibrated; those of all classes sum to 1")


class LabelRisk(BaseModel):
    """One of several labels, each of which may hold."""

    name: str
    meaning: str
    risk: float = Field(ge=0, le=1, description="Calibrated probability")
    threshold: float = Field(ge=0, le=1, description="Operating point that the gate allowed")
    decision: bool = Field(description="Whether the risk reaches the threshold")
    possible: Possible


class Answer(BaseModel):
    """What the model says of one example, and on whose authority.

    A question answered by yes or no has probability, risk, decision, threshold and possible; one of
    several classes decision, classes and possible; one of several labels labels; one for a quantity
    value, low, high, coverage and unit. What belongs to another kind of question is left out. So is
    all of that where the model abstains, because the input is not for it.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "answer_id": "0b0cf2b6-7c0e-4f43-9f3b-6a3b4e6a3f10",
                "workload": "chest_xray",
                "probability": 0.91,
                "risk": 0.84,
                "decision": True,
                "threshold": 0.42,
                "possible": {"outcomes": ["positive"], "words": "positive", "coverage": 0.9},
                "unfamiliar": False,
                "distance": 0.71,
                "abstained": False,
                "model_version": "3",
                "certificate_sha256": "9f86d081884c7d659a2feaa0c55ad015" * 2,
                "intended_use": "research on pneumonia in frontal chest radiographs",
                "duration_ms": 6.2,
                "warnings": [],
                "explanation": None,
            }
        }
    )

    answer_id: str = Field(
        description="Name of this answer in the service's log; holds no identity"
    )
    workload: str = Field(description="The clinical question that was answered")
    probability: float | None = Field(
        None, ge=0, le=1, description="As the network gave it, not calibrated"
    )
    risk: float | None = Field(
        None, ge=0, le=1, description="Calibrated probability; the figure to show"
    )
    decision: bool | str | None = Field(
        None, description="Whether the risk reaches the threshold; of classes, the most probable"
    )
    threshold: float | None = Field(
        None, ge=0, le=1, description="Operating point that the gate allowed"
    )
    possible: Possible | None = Field(
        None, description="Negative, positive, or both; of classes, those that may be"
    )
    classes: list[ClassProbability] | None = Field(None, description="In the model's order")
    labels: list[LabelRisk] | None = Field(None, description="In the model's order")
    value: float | None = Field(None, description="The quantity, in `unit`")
    low: float | None = Field(None, description="Lower end of the range around `value`")
    high: float | None = Field(None, description="Upper end of that range")
    coverage: float | None = Field(
        None, ge=0, le=1, description="Share of patients whose true value lies in such a range"
    )
    unit: str | None = Field(None, description="Of value, low and high; empty where it has none")
    unfamiliar: bool = Field(description="Whether the input is unlike the training data")
    distance: float = Field(
        ge=0, description="From the training data; above 1 the input is unfamiliar"
    )
    abstained: bool = Field(
        description="Not for this input: it is unfamiliar, and the model says nothing of it"
    )
    model_version: str = Field(description="Version in the model registry")
    certificate_sha256: str = Field(description="Digest of the certificate that allows this model")
    intended_use: str = Field(description="What the model may be used for")
    duration_ms: float = Field(ge=0, description="From the whole upload to this answer, ms")
    warnings: list[str] = Field(description="What makes this answer less certain than most")
    explanation: Explanation | None = Field(None, description="With ?explain=true")

    def caveats(self) -> list[str]:
        """What a reader must know beside the figures: what is possible, and the warnings."""
        possible = [self.possible.sentence()] if self.possible else []
        possible += [label.possible.sentence(label.name) for label in self.labels or ()]
        return possible + self.warnings


@dataclass(frozen=True)
class Example:
    """One upload, decoded and encoded."""

    row: Row
    inputs: Inputs
    warnings: tuple[str, ...]
    watched: Values


@dataclass(frozen=True)
class Scored:
    """One upload with what the model says of it, and why, if that was asked for.

    Parameters
    ----------
    logits : () or (K,)
    distance : from the training data, as the artefact gives it
    directions : (K,), as the artefact gives them
    """

    example: Example
    logits: np.ndarray
    distance: float
    directions: np.ndarray
    explanation: Explanation | None = None


class Predictor:
    """Answers for one release.

    Parameters
    ----------
    decoders : where uploads are decoded and maps are drawn; shared by all predictors
    """

    def __init__(self, release: Release, *, decoders: Executor) -> None:
        self.release = release
        self._decoders = decoders
        self._limits = limits(release.settings)
        self._watched = facts.columns(release.workload) if release.settings.watched.facts else None
        self._asked = 0
        model = ThreadPoolExecutor(1, thread_name_prefix="model")
        batch_max = release.settings.serve.batch_max
        self._score = Batcher(self._scored, executor=model, batch_max=batch_max)
        self._explain = Batcher(self._explained, executor=model, batch_max=batch_max)

    async def answer(
        self, payload: bytes, *, explain: bool = False, answer_id: str | None = None
    ) -> Answer:
        """The answer for the file in `payload`; raises as `ask`."""
        return (await self.ask(payload, explain=explain, answer_id=answer_id))[0]

    async def ask(
        self, payload: bytes, *, explain: bool = False, answer_id: str | None = None
    ) -> tuple[Answer, Values]:
        """The answer for the file in `payload`, and what is watched of what it was given to.

        Raises
        ------
        RequestError : the file cannot be answered; status and message say what to send instead
        """
        started = time.perf_counter()
        self._asked += 1
        try:
            if self._asked == 1:
                found = await self._in_thread(self._alone, payload, explain)
            else:
                found = await self._together(payload, explain)
        finally:
            self._asked -= 1
        answer = worded(
            self.release,
            found.logits,
            found.distance,
            warnings=found.example.warnings,
            explanation=found.explanation,
            answer_id=answer_id or new_id(),
            took_ms=(time.perf_counter() - started) * 1000,
        )
        return answer, {**found.example.watched, **facts.directions(found.directions.tolist())}

    def _alone(self, payload: bytes, explain: bool) -> Scored:
        """All in one thread: a lone client has nobody to share a batch with, and each hop costs."""
        example = self._example(payload, explain)
        if not explain:
            return Scored(example, *self._scored([example.inputs])[0])
        ((judged, heat),) = self._explained([example.inputs])
        return Scored(example, *judged, self._drawn(example.row, heat))

    async def _together(self, payload: bytes, explain: bool) -> Scored:
        """Decoding beside the others, scoring with the others."""
        example = await self._in_thread(self._example, payload, explain)
        if not explain:
            return Scored(example, *await self._score(example.inputs))
        judged, heat = await self._explain(example.inputs)
        drawn = await self._in_thread(self._drawn, example.row, heat)
        return Scored(example, *judged, drawn)

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._decoders, function, *arguments)

    def _example(self, payload: bytes, to_be_drawn: bool) -> Example:
        workload, state = self.release.workload, self.release.state
        try:
            content = payload if workload.payload == "file" else record.parsed(payload, workload)
            if to_be_drawn:
                row: Row = workload.read(content, limits=self._limits)
                inputs = workload.encode(row, state)
            else:
                row, inputs = workload.request(content, state, limits=self._limits)
            if (reason := workload.excluded(row)) is not None:
                raise UnreadableError(reason, fault="content")
        except UnreadableError as error:
            raise refused(error) from None
        watched: Values = {}
        if self._watched is not None:
            watched = facts.inputs(row, self._watched) | pixels.of_inputs(inputs)
        return Example(row, inputs, workload.cautions(row, state), watched)

    def _drawn(self, row: Row, heat: np.ndarray) -> Explanation:
        workload = self.release.workload
        picture = workload.draw(row, heat)
        return Explanation(
            media_type=picture.media_type,
            picture=_base64(picture.data),
            plain=None if picture.plain is None else _base64(picture.plain),
            reasons=[Moved(**vars(reason)) for reason in workload.reasons(row, heat)],
        )

    def _scored(self, batch: Sequence[Inputs]) -> list[Judged]:
        found = self.release.session.judge(_stacked(batch))
        return list(zip(found.logit, found.distance.tolist(), found.directions, strict=True))

    def _explained(self, batch: Sequence[Inputs]) -> list[tuple[Judged, np.ndarray]]:
        found = self.release.session.explain(_stacked(batch))
        judged = zip(found.logit, found.distance.tolist(), found.directions, strict=True)
        return list(zip(judged, found.map, strict=True))


def worded(
    release: Release,
    logits: np.ndarray,
    distance: float,
    *,
    warnings: Sequence[str],
    answer_id: str,
    took_ms: float,
    explanation: Explanation | None = None,
) -> Answer:
    """What `release` says of an example with these `logits`, () or (K,), and this `distance`.

    Raises
    ------
    RequestError : they are not finite
    """
    settings = release.settings
    fields = said(
        logits,
        distance,
        objective=release.objective,
        point=release.point,
        limit=limit(settings),
        cautions=warnings,
    )
    return Answer(
        answer_id=answer_id,
        workload=settings.workload,
        **fields,
        model_version=str(settings.version),
        certificate_sha256=release.certificate_sha256,
        intended_use=release.workload.intended_use,
        duration_ms=round(took_ms, 3),
        explanation=None if fields["abstained"] else explanation,
    )


def refused(error: UnreadableError) -> RequestError:
    """What a client is told of an upload that cannot be read."""
    status = STATUS[error.fault]
    return RequestError(str(error), status=status, fault=error.fault, problems=error.problems)


def limit(settings: Settings) -> Limit:
    """When an input is unfamiliar, and what then."""
    familiar = settings.familiar
    return Limit(familiar.distance, familiar.share, settings.serve.abstain == "refuse")


def limits(settings: Settings) -> dict[str, Any]:
    """The limits of ingest; the service may be narrower, never wider."""
    ours = settings.serve.max_pixels
    return {**settings.limits, "max_pixels": min(ours, settings.limits.get("max_pixels", ours))}


def _stacked(batch: Sequence[Inputs]) -> dict[str, np.ndarray]:
    return {name: np.stack([inputs[name] for inputs in batch]) for name in batch[0]}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
