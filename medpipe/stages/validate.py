"""validate: hold raw against what its workload declares, and say which examples break it.

Each part is judged once: what was found of it is kept under its hash in the output folder, so that
the cost is that of new parts. The folder is written whole before the stage fails, so that the
person who has to act can read the page; with ``persist: true`` DVC leaves it there.

    validation.json   passed, rules, failed, parts, rows: what evaluate takes into the report
    failed.json       rule → number and ids of the examples that break it; never a value
    index.html        the page
    parts/<hash>.json what was found of one part
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from medpipe import files
from medpipe.config import Params
from medpipe.errors import DataError
from medpipe.paths import Layout
from medpipe.tables.raw import Raw
from medpipe.validation import page, rules, summary, whole
from medpipe.validation.rules import Finding
from medpipe.workload import Workload

_SHOWN = 1000
"""Ids of examples per rule in failed.json."""

_log = logging.getLogger(__name__)


def validate(workload: Workload, params: Params, layout: Layout) -> dict[str, Any]:
    """Judge raw and write what was found.

    Returns
    -------
    passed, rules, failed, parts, rows : as in validation.json

    Raises
    ------
    DataError : a rule is broken that stops the run; names rules, numbers, ids, and what to do
    MissingStageError : raw is not there
    """
    raw = Raw(layout.raw, workload.columns)
    parts = raw.parts()
    with files.new_folder(layout.validation) as folder:
        found = _judged(parts, workload, known=layout.validation / "parts", kept=folder / "parts")
        seen, counted, standing = _looked_at(raw, workload, params, found)
        broken = _in_force(parts, found, standing)
        findings = _by_row(broken, workload) + seen.findings()
        outcome = {
            "passed": not any(finding.stops for finding in findings),
            "rules": len(findings),
            "failed": [finding.summary() for finding in findings if not finding.passed],
            "parts": len(parts),
            "rows": seen.rows,
        }
        files.write_json(folder / "validation.json", outcome)
        files.write_json(folder / "failed.json", _failed(findings))
        html = page.render(
            workload,
            findings,
            counted.columns(),
            rows=seen.rows,
            parts=len(parts),
            version=raw.version(),
        )
        (folder / "index.html").write_text(html, encoding="utf-8")
    _stop(findings, layout.validation / "index.html")
    return outcome


def _looked_at(
    raw: Raw, workload: Workload, params: Params, found: list[dict[str, list[str]]]
) -> tuple[whole.Whole, summary.Summary, set[str]]:
    """One pass over the rows in force.

    Returns
    -------
    What they are as a whole, their counts, and which of those that break a rule are among them.
    """
    named = {example for broken in found for ids in broken.values() for example in ids}
    seen, counted = whole.Whole(workload, params.validate_), summary.Summary(workload)
    standing: set[str] = set()
    for frame in raw.frames([c.name for c in workload.columns if not c.content]):
        seen.add(frame)
        counted.add(frame)
        if named:
            standing |= named.intersection(frame["example"])
    return seen, counted, standing


def _judged(
    parts: list[Path], workload: Workload, *, known: Path, kept: Path
) -> list[dict[str, list[str]]]:
    """For each part, rule → ids of the examples that break it; only new ones are judged."""
    kept.mkdir()
    names = {p: _digest(rules.fingerprint(workload), files.sha256(p)) + ".json" for p in parts}
    new = [part for part in parts if not (known / names[part]).is_file()]
    _log.info("parts of raw: %d, of them new: %d", len(parts), len(new))
    if new:
        # Great Expectations takes seconds to import, for which nothing new need not wait, and tells
        # of itself while it does.
        logging.getLogger("great_expectations").setLevel(logging.ERROR)
        from medpipe.validation.expectations import Suite

        suite = Suite(workload)
        for part in new:
            files.write_json(kept / names[part], suite.broken(part))
    for part in set(parts) - set(new):
        shutil.copyfile(known / names[part], kept / names[part])
    return [json.loads((kept / names[part]).read_text(encoding="utf-8")) for part in parts]


def _in_force(
    parts: list[Path], found: list[dict[str, list[str]]], standing: set[str]
) -> dict[str, list[str]]:
    """`found` of all parts together, for the rows of `standing` in their last parts.

    What was corrected at the source, or withdrawn, breaks a rule no more.
    """
    last: dict[str, int] = {}
    for place, part in enumerate(parts if standing else []):
        here = pq.ParquetFile(part).read(columns=["example"])["example"].to_pylist()
        last |= dict.fromkeys(standing.intersection(here), place)
    together: dict[str, list[str]] = defaultdict(list)
    for place, broken in enumerate(found):
        for rule, ids in broken.items():
            together[rule] += [example for example in ids if last.get(example) == place]
    return together


def _by_row(broken: dict[str, list[str]], workload: Workload) -> list[Finding]:
    return [
        Finding(
            rule,
            not broken.get(rule.name),
            len(broken.get(rule.name, [])),
            tuple(broken.get(rule.name, [])[:_SHOWN]),
        )
        for rule in rules.of(workload)
    ]


def _failed(findings: list[Finding]) -> dict[str, Any]:
    return {
        finding.rule.name: {"count": finding.count, "examples": list(finding.examples)}
        for finding in findings
        if not finding.passed
    }


def _stop(findings: list[Finding], page_path: Path) -> None:
    """Warn of what deserves a look, and raise DataError for what stops the run."""
    for finding in findings:
        if not finding.passed and not finding.stops:
            _log.warning("flagged, the run goes on: %s", finding.sentence())
    stopping = [finding.sentence() for finding in findings if finding.stops]
    if stopping:
        listed = "".join(f"\n  - {sentence}" for sentence in stopping)
        raise DataError(f"raw breaks {len(stopping)} of the rules (see {page_path}):{listed}")


def _digest(*texts: str) -> str:
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:32]
