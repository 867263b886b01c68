"""A project whose champion is watched: a signed release, and what it was asked, week by week."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from seen_answers import MONDAY, reference, values, week

from medpipe import certificate, files
from medpipe.audit import place as places
from medpipe.audit.record import Entry
from medpipe.monitoring import journal as journals
from medpipe.monitoring.journal import Outcome
from medpipe.paths import Layout

NAME = "chest_xray"
KEY = Ed25519PrivateKey.from_private_bytes(b"\7" * 32)
TRUSTED = KEY.public_key().public_bytes_raw().hex()
PROMISED = {
    "auroc": {"value": 0.75, "low": 0.70, "high": 0.80},
    "brier": {"value": 0.16, "low": 0.14, "high": 0.18},
    "calibration_intercept": {"value": 0.0, "low": -0.2, "high": 0.2},
}


def release(folder: Path, watched, *, first: datetime = MONDAY) -> str:
    """A signed release, of which only the paper is real; gives its certificate's digest."""
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"")
    settings = {"workload": NAME, "version": "3"}
    if watched is not None:
        settings["watched"] = watched.model_dump(mode="json")
    card = {"title": "films", "splits": {"test": {"metrics": PROMISED}}}
    for name, content in {"state": {}, "settings": settings, "card": card}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    facts = {fact: "" for fact in certificate.FACTS} | {"expires": None, "code": {}}
    facts["issued"] = (first - timedelta(days=30)).isoformat()
    facts["digests"] = {name: files.sha256(folder / name) for name in certificate.COVERED}
    signed = certificate.issue(facts, KEY)
    certificate.write(signed, folder)
    return certificate.digest(signed)


class Asked:
    """The project at `root`, and its service's journal and record; `first`: Monday of week 0."""

    def __init__(self, root: Path, *, first: datetime = MONDAY) -> None:
        self.rng = np.random.default_rng(11)
        self.first = first
        self.layout = Layout(root, NAME)
        self.watched = reference(self.rng)
        self.digest = release(self.layout.champion, self.watched, first=first)

    def ask(self, number: int, count: int, *, outcomes=None, **changes) -> None:
        """A week of answers; `outcomes` gives each patient's from the risk."""
        rows = values(self.rng, count, **changes)
        seen = [
            type(one)(**vars(one) | {"workload": NAME, "certificate": self.digest})
            for one in week(self.watched, number, rows, first=self.first)
        ]
        place = places.at(self.layout.root)
        store = place.store(place.chain(create=True))
        store.open()
        store.append([_entry(one, row) for one, row in zip(seen, rows, strict=True)])
        store.close()
        with journals.at(self.layout.root) as journal:
            journal.see(seen)
            if outcomes is not None:
                journal.tell(
                    [_told(s, outcomes(r["risk"])) for s, r in zip(seen, rows, strict=True)]
                )


def _entry(seen, row) -> Entry:
    return Entry(
        answer_id=seen.answer_id,
        at=seen.at,
        asked_by="ward",
        standard="http",
        workload=NAME,
        version="3",
        certificate=seen.certificate,
        input="1" * 64,
        status=200,
        answer=json.dumps({"risk": row["risk"], "distance": row["distance"]}),
        latency_ms=1.0,
    )


def _told(seen, value) -> Outcome:
    return Outcome(seen.at, "ward", seen.answer_id, NAME, "pneumonia", int(value))
