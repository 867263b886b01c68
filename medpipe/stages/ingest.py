"""ingest: read what is new at the source, leave who it is about at the door, append to raw.

The only stage that sees an identifier. What was ingested is not read again: raw's ledger knows
every item by a keyed name and a keyed digest of its state. Raw is made anew, beside the old one,
when the source or what is kept of it changes. Parts appear whole, so a run that was killed goes on
where its last part ended, and ends with the same bytes.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from medpipe import files
from medpipe.ahead import in_order
from medpipe.config import Params
from medpipe.deidentify.intake import Intake, write_quarantine
from medpipe.deidentify.pseudonym import Pseudonyms, load_key
from medpipe.deidentify.row import Door
from medpipe.errors import DataError, ParamsError, SourceError
from medpipe.paths import Layout
from medpipe.sources import sample
from medpipe.tables.ledger import Ledger
from medpipe.tables.raw import MANIFEST, Raw
from medpipe.tables.schema import schema
from medpipe.workload import Source, Workload

_FORMAT = 1
_log = logging.getLogger(__name__)


def ingest(workload: Workload, params: Params, layout: Layout) -> dict[str, Any]:
    """Bring raw up to date with its source.

    Returns
    -------
    counts: items, new, revised, unchanged (read again, the same), skipped (known), gone (no longer
    offered; they stay in raw), quarantined (reason → items), examples and groups in raw, version

    Raises
    ------
    ParamsError : the source's options are wrong or name columns that the workload does not have
    SourceError : the source is empty, not of its layout, or says what the workload does not allow
    DataError : more than ``ingest.quarantine_share`` of the items cannot be used (raw is as
        before), or raw was made with another key
    StorageError : the disk is full or not writable; whole parts stay, the next run goes on
    """
    source = _source(workload, params, layout)
    pseudonyms = Pseudonyms(load_key(layout.home, create=not (layout.raw / MANIFEST).exists()))
    folder = _place(workload, params, layout, pseudonyms)
    raw = Raw(folder, workload.columns)
    earlier = raw.parts()
    intake = Intake(workload, Door(workload, params.ingest, pseudonyms), raw)
    pending = intake.pending(source.items())
    if workload.payload == "record":  # Python alone: threads would only wait for one another
        results: Iterable[Any] = ((task, intake.read(task)) for task in pending)
    else:
        results = in_order(intake.read, pending, _threads(params))
    raw.append(intake.rows(results), part_mib=params.ingest.part_mib)
    write_quarantine(layout.quarantine, intake.refused)
    _check(intake, params, raw=raw, earlier=earlier, in_place=folder == layout.raw)
    Ledger(folder).save(intake.entries(), parts=len(raw.parts()))
    if folder != layout.raw:
        _replace(folder, layout.raw)
    return intake.counts() | _totals(Raw(layout.raw, workload.columns))


def _threads(params: Params) -> int:
    return params.ingest.threads or os.cpu_count() or 1


def _source(workload: Workload, params: Params, layout: Layout) -> Source:
    """The source that params name; the sample is synthesised on first use."""
    wanted = params.source
    if wanted.name == "sample":
        path = layout.source
        if sample.ensure(workload, path, patients=wanted.patients, seed=wanted.seed):
            _log.info("invented %d patients in %s", wanted.patients, path)
    elif wanted.path is None:
        raise ParamsError(
            f"source.name is {wanted.name!r} and source.path is not set; give the folder or table"
        )
    else:
        path = layout.root / wanted.path
    unknown = set(wanted.options.get("columns") or {}) - {c.name for c in workload.columns}
    if unknown:
        raise ParamsError(
            f"source.options.columns names {', '.join(sorted(unknown))}, which {workload.name} "
            f"does not have; it has {', '.join(c.name for c in workload.columns)}"
        )
    return workload.source(wanted.name, path, options=wanted.options)


def _place(workload: Workload, params: Params, layout: Layout, pseudonyms: Pseudonyms) -> Path:
    """Where to append: raw, or its successor where raw is of another source or was not made yet."""
    wanted = _manifest(workload, params, pseudonyms)
    present = _manifest_in(layout.raw)
    if present and present["key"] != wanted["key"]:
        raise DataError(
            f"{layout.raw} was made with another pseudonym key: its patients could not be told "
            "from new ones. Restore it (.medpipe/keys/pseudonym.key or MEDPIPE_PSEUDONYM_KEY), "
            "or remove the folder to ingest everything anew"
        )
    if present == wanted:
        return layout.raw
    if present:
        _log.info("raw is made anew: the source, or what is kept of it, is not what it was")
    if _manifest_in(layout.raw_next) != wanted:
        with files.explained(layout.raw_next):
            shutil.rmtree(layout.raw_next, ignore_errors=True)
        files.write_json(layout.raw_next / MANIFEST, wanted)
    return layout.raw_next


def _manifest(workload: Workload, params: Params, pseudonyms: Pseudonyms) -> dict[str, Any]:
    """What rows depend on besides their items; keyed, because a path or option may identify."""
    source = params.source.model_dump(mode="json")
    if params.source.name != "sample":
        source = {name: source[name] for name in ("name", "path", "options")}
    kept = ("max_side_px", "min_side_px", "max_pixels", "keep_original")
    limits = {name: getattr(params.ingest, name) for name in kept}
    text = json.dumps([source, limits, str(schema(workload.columns))], sort_keys=True)
    return {
        "format": _FORMAT,
        "workload": workload.name,
        "key": pseudonyms.check(),
        "made_from": pseudonyms("manifest", text),
    }


def _manifest_in(folder: Path) -> dict[str, Any] | None:
    path = folder / MANIFEST
    if not path.exists():
        return None
    found: dict[str, Any] = files.read_json(path, made_by="medpipe stage ingest")
    return found


def _check(
    intake: Intake, params: Params, *, raw: Raw, earlier: list[Path], in_place: bool
) -> None:
    """Stop before anything counts as ingested, if the source is empty or too much was refused."""
    if intake.items == 0:
        raise SourceError(
            f"source {params.source.name} offers nothing; check source.path and its options"
        )
    limit = params.ingest.quarantine_share
    if intake.unusable <= limit * intake.items:
        return
    if in_place:
        for part in set(raw.parts()) - set(earlier):
            part.unlink()
    reasons = "; ".join(f"{count} × {reason}" for reason, count in intake.reasons().most_common(5))
    raise DataError(
        f"{intake.unusable} of {intake.items} items cannot be used "
        f"({intake.unusable / intake.items:.0%}, allowed {limit:.0%}): {reasons}. Raw is as it "
        "was. `medpipe raw quarantine` lists them; mend the source or raise ingest.quarantine_share"
    )


def _replace(folder: Path, raw: Path) -> None:
    with files.explained(raw):
        if raw.exists():
            shutil.rmtree(raw)
        folder.rename(raw)


def _totals(raw: Raw) -> dict[str, Any]:
    if not raw.parts():
        raise DataError("no item of the source can be used; `medpipe raw quarantine` says why")
    frame = raw.frame(["example", "group"])
    return {
        "examples": len(frame),
        "groups": int(frame["group"].nunique()),
        "parts": len(raw.parts()),
        "version": raw.version(),
    }
