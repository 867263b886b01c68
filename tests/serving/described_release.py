"""Releases as a gate leaves them: with a card that tells what was measured, and a verdict."""

import json
from pathlib import Path

from brightness_release import KEY, write_release
from record_release import write_record_release

from medpipe import certificate, files, workloads
from medpipe.records.physiology import HOURS
from medpipe.workloads import icu_mortality, readmission

PARTS = {
    "icu_mortality": len(icu_mortality.SERIES) * HOURS // 6 + len(icu_mortality.DESCRIPTORS),
    "readmission": sum(not field.compared for field in (*readmission.PATIENT, *readmission.STAY)),
}
"""Sizes of the workloads' maps: six hours of a series, or a field."""
FILM_LIMITS = {"max_side_px": 512, "min_side_px": 4, "max_pixels": 100_000_000}
SERVE = {"max_upload_mib": 64, "max_pixels": 100_000_000, "batch_max": 4, "threads": 1}
CHECKS = [
    {
        "name": "receipt",
        "passed": True,
        "value": None,
        "limit": None,
        "why": "no patient is shared",
    },
    {"name": "auroc on test", "passed": True, "value": 0.91, "limit": 0.8, "why": "0.910 ≥ 0.800"},
]
CARD = {
    "measured": "2024-06-01T08:00:00+00:00",
    "splits": {
        "test": {
            "examples": 812,
            "groups": 640,
            "metrics": {
                "auroc": {"value": 0.91, "low": 0.884, "high": 0.935},
                "ppv": {"value": None, "undefined": "nobody was flagged"},
            },
        }
    },
    "recalibration": {"of": "6", "words": ["The odds of each risk are multiplied by 2.11."]},
    "subgroups": [
        {
            **{"column": "sex", "value": "F", "examples": 390},
            "metrics": {"auroc": {"value": 0.9, "low": 0.86, "high": 0.93}},
        }
    ],
}


def describe(folder: Path) -> None:
    """Give the release in `folder` a full card, and a certificate over it."""
    name = folder.name
    card = {"title": workloads.get(name).title, "version": "7", **CARD}
    (folder / "card.json").write_text(json.dumps(card))
    held = certificate.read(folder)
    facts = {name: held[name] for name in certificate.FACTS} | {
        **{"workload": name, "version": "7", "approver": "Dr Ada Example", "checks": CHECKS},
        **{"issued": "2024-06-02T08:00:00+00:00", "commit": "3f1c9a", "raw_version": "a77e01"},
        "digests": {part: files.sha256(folder / part) for part in certificate.COVERED},
    }
    (folder / certificate.FILE).write_text(json.dumps(certificate.issue(facts, KEY)))


def write_all(folder: Path, **settings: dict) -> None:
    """One release of each workload, below ``folder/releases``; `settings` of some by name."""
    releases = folder / "releases"
    film = {"limits": FILM_LIMITS, "serve": SERVE, "version": 7, **settings.get("chest_xray", {})}
    write_release(releases / "chest_xray", workload="chest_xray", **film)
    for name, count in PARTS.items():
        changed = settings.get(name, {})
        write_record_release(releases, name, parts=count, scratch=folder / "scratch", **changed)
    for release in releases.iterdir():
        describe(release)
