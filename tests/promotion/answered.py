"""Answers as the service records them, without a service: for what is judged by them."""

from datetime import UTC, datetime
from uuid import uuid4

from medpipe import certificate, probation
from medpipe.audit import place as places
from medpipe.audit.record import Entry


def put_down(root, entries):
    """Into the record of the project at `root`."""
    place = places.at(root)
    store = place.store(place.chain(create=True))
    store.open()
    store.append(entries)
    store.close()


def entry(held, said, *, standard="http", answer_id=None, status=200, latency_ms=5.0):
    """What `held` of the promotion record said, or how it failed."""
    return Entry(
        answer_id=answer_id or str(uuid4()),
        at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        asked_by="key:ward",
        standard=standard,
        workload="level",
        version=held.version,
        certificate=held.certificate,
        input="0" * 64,
        status=status,
        answer=certificate.canonical(said).decode(),
        latency_ms=latency_ms,
    )


def pair(champion, candidate, *, same=True, failed=False, latency_ms=5.0):
    """A question that the champion has answered aloud and the candidate silently."""
    aloud = entry(champion, {"decision": True, "risk": 0.7})
    said = {"refused": "ScoreError"} if failed else {"decision": same, "risk": 0.6}
    silent = entry(
        candidate,
        {"beside": aloud.answer_id, **said},
        standard=probation.SILENT,
        answer_id=probation.silent_id(aloud.answer_id),
        status=422 if failed else 200,
        latency_ms=latency_ms,
    )
    return [aloud, silent]
