"""Answers on record whose outcome is known, and whose risks are off by as much as a test wants."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from scipy.special import expit

from medpipe.audit import place as places
from medpipe.audit.record import Entry
from medpipe.monitoring import journal as journals
from medpipe.monitoring.journal import Outcome


def give(
    root: Path,
    workload: str,
    label: str,
    count: int = 450,
    *,
    shift: float = 1.8,
    seed: int = 0,
    version: str = "1",
    days_ago: int = 30,
) -> None:
    """`count` answers of `version`, and outcomes whose log odds are the answers' plus `shift`."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(-6, 6, count)
    start = datetime.now(UTC) - timedelta(days=days_ago)
    at = [(start + timedelta(minutes=n)).isoformat(timespec="milliseconds") for n in range(count)]
    names = [f"{version}-{seed}-{number}" for number in range(count)]
    place = places.at(root)
    store = place.store(place.chain(create=True))
    store.open()
    facts = ("ward", "http", workload, version, "c" * 64, None, 200)
    rows = zip(names, at, expit(scores), strict=True)
    store.append([Entry(n, t, *facts, json.dumps({"risk": r}), 1.0) for n, t, r in rows])
    store.close()
    truth = rng.random(count) < expit(scores + shift)
    told = zip(names, at, truth, strict=True)
    with journals.at(root) as journal:
        journal.tell([Outcome(t, "Dr Ada", n, workload, label, int(y)) for n, t, y in told])
