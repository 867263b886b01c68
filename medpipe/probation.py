"""A model on probation beside the champion: on what terms, what was counted, and what follows.

Each bound is a share of the candidate's answers: that failed, that came too late, that said
something else than the champion. While few have come, a bound counts as broken only where that is
certain: were the true share at the bound, so many would come up less than once in a thousand times
(an exact binomial test). With enough of them the shares themselves decide, either way.

References
----------
Exact binomial test: Clopper and Pearson, Biometrika 26 (1934), pages 404 to 413.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID, uuid5

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from medpipe import certificate, files
from medpipe.errors import CertificateError, MissingStageError
from medpipe.workload import Section

FILE = "probation.json"
"""In the folder of a model on probation, beside its release: on what terms it is there."""
KIND = "medpipe probation 1"
STOPPED = "stopped.json"
"""There too, once the service asks it no more: when and why, for other processes and starts."""
SILENT, FAILED = "shadow", "canary"
"""Standards of records beside an answer: of what was asked silently; of a canary that failed."""
Mode = Literal["direct", "shadow", "canary"]
Share = Annotated[float, Field(ge=0, le=1)]
LATE_SHARE = 0.05
"""Of answers that may come later than the bound: it is on their 95th percentile."""
CERTAIN = 1e-3
"""Chance, for a candidate that just keeps a bound, of so many answers against it."""


class ReleaseParams(Section):
    """How a model that the gate has allowed reaches the clients, and when it is taken back."""

    mode: Mode = Field(
        "direct",
        description="direct: champion at once; shadow: on probation, it answers silently beside "
        "the champion; canary: on probation, it answers a share of the questions",
    )
    share: float = Field(0.1, gt=0, lt=1, description="of questions that a canary answers")
    answers: int = Field(
        200, ge=20, le=100_000, description="of the candidate, that end its probation"
    )
    hours: float = Field(
        168, gt=0, le=2160, description="after which a probation with fewer answers fails"
    )
    error_rate: Share = Field(0.02, description="of answers that may fail")
    latency_p95_ms: float = Field(1000.0, gt=0, description="95th percentile of an answer's time")
    agreement: Share = Field(
        0.9, description="share of answers that must say what the champion says of the same input"
    )
    watch_hours: float = Field(
        24,
        ge=0,
        le=2160,
        description="in which a new champion is rolled back by itself when error_rate or "
        "latency_p95_ms is broken; 0: never",
    )


class Bounds(Protocol):
    """Shares and times that the answers are held to: of `Terms`, or of `ReleaseParams`."""

    @property
    def error_rate(self) -> float: ...
    @property
    def latency_p95_ms(self) -> float: ...
    @property
    def agreement(self) -> float: ...


@dataclass(frozen=True)
class Terms:
    """What a probation was begun with; signed, and not changed by params.yaml any more.

    Parameters
    ----------
    share : of questions that the candidate answers aloud; 0 in the shadow
    began, until : UTC, ISO 8601
    """

    mode: Literal["shadow", "canary"]
    share: float
    answers: int
    error_rate: float
    latency_p95_ms: float
    agreement: float
    began: str
    until: str


@dataclass(frozen=True)
class Stated:
    """What `FILE` states, signed.

    Parameters
    ----------
    certificate, beside : digests of the certificates of the candidate and of the champion
    """

    workload: str
    certificate: str
    beside: str
    terms: Terms


@dataclass(frozen=True)
class Tally:
    """What became of the candidate's answers.

    Parameters
    ----------
    answers : given or failed
    errors : failed, where the champion had an answer
    late : given, but after `Terms.latency_p95_ms`
    compared : given, where the champion's answer for the same input is known
    differ : of these, say something else
    """

    answers: int = 0
    errors: int = 0
    late: int = 0
    compared: int = 0
    differ: int = 0

    def failed(self) -> Tally:
        """With one more that failed."""
        return replace(self, answers=self.answers + 1, errors=self.errors + 1)

    def given(self, *, late: bool, differs: bool | None) -> Tally:
        """With one more that was given; `differs` is None where nothing is known to compare."""
        return Tally(
            self.answers + 1,
            self.errors,
            self.late + late,
            self.compared + (differs is not None),
            self.differ + bool(differs),
        )


@dataclass(frozen=True)
class Decision:
    """What follows, and why, in sentences."""

    verb: Literal["keep on", "full", "roll back"]
    why: tuple[str, ...]


def silent_id(answer_id: str) -> str:
    """The name, on record, of what the other model said to the question of `answer_id`."""
    return str(uuid5(UUID(answer_id), "beside"))


def terms_of(params: ReleaseParams, began: datetime) -> Terms:
    """The terms of a probation that begins now; `params` ask for one."""
    assert params.mode != "direct"
    return Terms(
        mode=params.mode,
        share=params.share if params.mode == "canary" else 0.0,
        answers=params.answers,
        error_rate=params.error_rate,
        latency_p95_ms=params.latency_p95_ms,
        agreement=params.agreement,
        began=began.isoformat(),
        until=(began + timedelta(hours=params.hours)).isoformat(),
    )


def signed(stated: Stated, key: Ed25519PrivateKey) -> dict[str, Any]:
    """The content of `FILE`; the same for the same facts and key."""
    return certificate.sign({"kind": KIND, **asdict(stated)}, key)


def read(folder: Path, trusted: certificate.Trusted) -> Stated:
    """What the model in `folder` is there for.

    Raises
    ------
    CertificateError : nothing readable says so, or nobody has signed for it
    """
    path = folder / FILE
    try:
        found = files.read_json(path, made_by="medpipe promote")
    except (MissingStageError, OSError) as error:
        raise CertificateError(str(error)) from None
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise CertificateError(f"{path} says nothing of a probation; run `medpipe promote` again")
    certificate.verify_signature(found, trusted, what=str(path))
    facts = {field.name: found[field.name] for field in fields(Stated)}
    return Stated(**{**facts, "terms": Terms(**facts["terms"])})


def stop(folder: Path, why: str, now: datetime) -> None:
    """Write down that the model in `folder` is asked no more. Raises OSError."""
    # Not `files.new_file`, which would make a folder that was just removed anew.
    text = json.dumps({"at": now.isoformat(), "why": why})
    (folder / STOPPED).write_text(text, encoding="utf-8")


def stopped(folder: Path) -> str | None:
    """Why the model in `folder` is asked no more; None while it is."""
    try:
        return str(json.loads((folder / STOPPED).read_bytes())["why"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return "The service has stopped it"


def decide(tally: Tally, terms: Terms, now: datetime) -> Decision:
    """Whether the candidate stays on probation, becomes champion, or is taken away."""
    if broken := surely_broken(tally, terms):
        return Decision("roll back", broken)
    if min(tally.answers, tally.compared + tally.errors) >= terms.answers:
        broken = tuple(_broken(tally, terms, certain=False))
        return Decision("roll back" if broken else "full", broken or tuple(spoken(tally, terms)))
    count = f"{min(tally.answers, tally.compared + tally.errors)} of {terms.answers} answers"
    if now >= datetime.fromisoformat(terms.until):
        return Decision("roll back", (f"Only {count} came until {terms.until}",))
    return Decision("keep on", (f"{count} have come", *spoken(tally, terms)))


def surely_broken(tally: Tally, terms: Bounds) -> tuple[str, ...]:
    """The bounds that are broken for certain, however few answers there are, in sentences."""
    return tuple(_broken(tally, terms, certain=True))


def spoken(tally: Tally, terms: Bounds) -> list[str]:
    """How each bound stands, in sentences."""
    return [why for *_, why in _bounds(tally, terms)]


def is_too_many(count: int, among: int, share: float) -> bool:
    """Whether `count` of `among` would be a wonder (`CERTAIN`) if the true share were `share`."""
    if count <= share * among or share >= 1:
        return False
    return share <= 0 or _tail(count, among, share) < CERTAIN


def _broken(tally: Tally, terms: Bounds, *, certain: bool) -> Iterator[str]:
    for count, among, share, why in _bounds(tally, terms):
        if is_too_many(count, among, share) if certain else count > share * among:
            yield why


def _bounds(tally: Tally, terms: Bounds) -> Iterator[tuple[int, int, float, str]]:
    """For each bound: answers against it, of how many, the share allowed, and a sentence."""
    given = tally.answers - tally.errors
    yield (
        tally.errors,
        tally.answers,
        terms.error_rate,
        f"{tally.errors} of {tally.answers} answers failed; {terms.error_rate:.4g} of them may",
    )
    yield (
        tally.late,
        given,
        LATE_SHARE,
        f"{tally.late} of {given} answers took over {terms.latency_p95_ms:g} ms; "
        f"{LATE_SHARE:g} of them may",
    )
    if not tally.compared:
        return
    agree = tally.compared - tally.differ
    yield (
        tally.differ,
        tally.compared,
        # Rounded, so that 0.9 allows 20 of 200 to differ, and not 19.
        round(1 - terms.agreement, 12),
        f"{agree} of {tally.compared} answers said what the champion said; "
        f"{terms.agreement:.4g} of them must",
    )


def _tail(count: int, among: int, share: float) -> float:
    """Chance of `count` or more of `among`, each with chance `share`, 0 < share < 1."""
    logs = (
        math.lgamma(among + 1)
        - math.lgamma(each + 1)
        - math.lgamma(among - each + 1)
        + each * math.log(share)
        + (among - each) * math.log1p(-share)
        for each in range(count, among + 1)
    )
    return math.fsum(math.exp(log) for log in logs)
