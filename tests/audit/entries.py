"""Entries as the service makes them."""

from uuid import uuid4

from medpipe.audit.record import Entry


def entry(**changes) -> Entry:
    given = {
        "answer_id": str(uuid4()),
        "at": "2026-03-01T08:00:00.000+00:00",
        "asked_by": "ward 3",
        "standard": "http",
        "workload": "brightness",
        "version": "3",
        "certificate": "c" * 64,
        "input": "1" * 64,
        "status": 200,
        "answer": '{"decision":true,"risk":0.7685247834990178}',
        "latency_ms": 3.25,
    }
    return Entry(**{**given, **changes})


def entries(count: int) -> list[Entry]:
    return [entry(answer_id=f"answer-{number}") for number in range(1, count + 1)]
