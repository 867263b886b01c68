"""What is written down of one request, and its place in the chain."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

ANSWERED = 200
CONTINUED = 0
"""Status of the entry by which a person accepted that earlier records are lost."""
NOBODY = "-"
"""Where nobody asked by name, or there is nothing to name."""
_NAME_MAX = 200


@dataclass(frozen=True)
class Entry:
    """What one request leaves behind. No identifier, no pixel, no text of a record.

    Parameters
    ----------
    at : UTC, ISO 8601 with milliseconds: when the answer was ready
    asked_by : name of the caller's key or account, as `name` makes it fit
    standard : by which way it came: http, dicomweb, fhir, …
    workload : only where one of that name is served; what a client made up is not kept
    version, certificate : of the release that answered; None where none was reached
    input : `Chain.input_digest` of what the model was asked about; None where nothing was read
    status : of HTTP; `ANSWERED`, or why it was refused
    answer : JSON, what was said; of a refusal, the kind of error
    latency_ms : from the request's beginning to the answer
    """

    answer_id: str
    at: str
    asked_by: str
    standard: str
    workload: str
    version: str | None
    certificate: str | None
    input: str | None
    status: int
    answer: str
    latency_ms: float


@dataclass(frozen=True)
class Record(Entry):
    """An entry in its place.

    Parameters
    ----------
    sequence : counts from 1 without a gap
    previous : hash of the record before it, `START.hash` for the first
    hash : keyed, over everything else in the record
    """

    sequence: int
    previous: str
    hash: str


@dataclass(frozen=True)
class Link:
    """A place in the chain: what the next record follows on."""

    sequence: int
    hash: str

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"


START = Link(0, "0" * 64)
COLUMNS = tuple(field.name for field in fields(Record))


def told(record: Record) -> dict[str, Any]:
    """`record` for a person or a program to read, with what was said spelled out."""
    try:
        return {**vars(record), "answer": json.loads(record.answer)}
    except (TypeError, ValueError):  # it was changed, and is shown as it is
        return dict(vars(record))


def name(said: str) -> str:
    """`said` as an entry may hold it: what cannot be printed replaced, not endlessly long.

    A name may come out of a token that somebody else wrote, and a database takes no NUL.
    """
    return "".join(c if c.isprintable() else "?" for c in said[:_NAME_MAX]) or NOBODY


def new_id() -> str:
    """The name of an answer or a refusal; holds no identity, and sorts by its time.

    A UUID of version 7 (RFC 9562, 5.7): milliseconds in front, so that a database's index grows at
    its end and is not rewritten at random places; behind them 74 random bits.
    """
    stamp = (time.time_ns() // 1_000_000).to_bytes(6, "big")
    rest = bytearray(os.urandom(10))
    rest[0] = 0x70 | rest[0] & 0x0F  # version
    rest[2] = 0x80 | rest[2] & 0x3F  # variant
    return str(UUID(bytes=stamp + rest))
