"""From an answer to what it was made from: model, certificate, run, commit, data, split, patients.

Each step is shown by the one before it: the record is keyed, it names the certificate by its
digest, the certificate is signed and covers the card, and card and certificate name run, commit,
data and receipt. What this machine does not have is said, with what would bring it here.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from medpipe import certificate, config, files, keys, lineage, probation, tracking, workloads
from medpipe.audit import place as places
from medpipe.audit.record import Record, told
from medpipe.errors import AuditError, CertificateError, MedpipeError, MissingStageError
from medpipe.monitoring import journal as journals
from medpipe.monitoring import outcomes
from medpipe.paths import Layout
from medpipe.promotion.champion import released
from medpipe.stages import preprocess
from medpipe.tables.raw import Raw
from medpipe.tables.ready import Ready

_TRAINED = ("train", "val")
"""Sides that shaped the model: one its weights, the other its epoch, calibration and threshold."""
_SIGNED = ("version", "run_id", "commit", "raw_version", "receipt", "approver", "issued", "expires")


def trace(answer_id: str, root: Path, *, patients: bool = False) -> dict[str, Any]:
    """What is known here of the answer `answer_id`, and what is not.

    Where two models were asked, `beside` is the other one's record, whichever of them is traced.

    Parameters
    ----------
    patients : name the pseudonyms that shaped the model, beside their number

    Returns
    -------
    dict
        answer, beside (None where one model was asked), became (outcome, history), model, run,
        code, data, split, recalibration (where the model's risks were put right by outcomes),
        patients (each absent where it is not known) and missing: sentences.

    Raises
    ------
    AuditError : no such answer is on record here, or the record is out of reach
    """
    (record, is_genuine), beside = _records(answer_id, root)
    found: dict[str, Any] = {
        "answer": {**told(record), "genuine": is_genuine},
        "beside": beside and {**told(beside[0]), "genuine": beside[1]},
    }
    with journals.at(root) as journal:
        found["became"] = outcomes.spelled(journal.history(answer_id))
    missing = [] if is_genuine else ["the record was changed: nothing below is shown by it"]
    if record.certificate is None:
        missing.append("it was refused before a model was reached")
    else:
        found |= _made_from(Layout(root, record.workload), record, missing, patients=patients)
    return {**found, "missing": missing}


def words(found: dict[str, Any]) -> list[str]:
    """`found` of `trace`, for a person: one line per step."""
    answer, said = found["answer"], json.dumps(found["answer"]["answer"], ensure_ascii=False)
    lines = [
        f"answer   {answer['answer_id']}, record {answer['sequence']}, {answer['at']}",
        f"asked by {answer['asked_by']} ({answer['standard']}), status {answer['status']}: {said}",
    ]
    if (other := found["beside"]) is not None:
        said = json.dumps(other["answer"], ensure_ascii=False)
        lines.append(f"beside   version {other['version']} ({other['standard']}): {said}")
    if "model" in found:
        model, split = found["model"], found["split"]
        lines += [
            f"model    {answer['workload']} version {model['version']}, approved by "
            f"{model['approver']} on {model['issued']}; signature {model['signature']}",
            f"code     {found['code']['commit']}; run {model['run_id']}",
            f"data     {found['data']['raw_version']}",
            f"split    receipt {split['digest']}, {'clean' if split['clean'] else 'not clean'}: "
            + ", ".join(
                f"{side} {count['groups']} patients" for side, count in split["counts"].items()
            ),
        ]
    if "recalibration" in found:
        section = found["recalibration"]
        lines.append(f"risks    of version {section['of']}, recalibrated: {section['words'][1]}")
    for each in found["became"]["history"]:
        said = "taken back" if each["value"] is None else json.dumps(each["value"])
        lines.append(f"became   {each['label']}: {said}, told by {each['told_by']}, {each['at']}")
    for side, names in found.get("patients", {}).get("pseudonyms", {}).items():
        lines.append(f"{side:8} {', '.join(names)}")
    return lines + [f"missing  {sentence}" for sentence in found["missing"]]


def _records(answer_id: str, root: Path) -> tuple[tuple[Record, bool], tuple[Record, bool] | None]:
    """The record of that name and the one beside it, each with whether it is genuine."""
    with places.reading(root) as (chain, store):
        record = store.of_answer(answer_id)
        if record is not None:
            beside = store.of_answer(_beside(record))
            other = None if beside is None else (beside, chain.is_genuine(beside))
            return (record, chain.is_genuine(record)), other
    raise AuditError(
        f"no answer {answer_id} is on record here; if it was given while the store was down, the "
        "service records it when it starts again"
    )


def _made_from(
    layout: Layout, record: Record, missing: list[str], *, patients: bool
) -> dict[str, Any]:
    """All that the certificate leads to; nothing where it cannot be found."""
    digest = str(record.certificate)
    try:
        with _release(layout, str(record.version), digest) as (where, folder):
            signed = certificate.read(folder)
            card = files.read_json(folder / "card.json", made_by="medpipe promote")
            signature = _signature(layout, signed, folder)
    except MedpipeError as error:
        missing.append(f"the release with the certificate {digest[:16]}… is not here: {error}")
        return {}
    facts = {name: signed.get(name) for name in _SIGNED}
    found = {
        "model": {**facts, "certificate": digest, "signature": signature, "found_in": where},
        "run": _run(layout, str(signed["run_id"]), missing),
        "code": _code(layout, str(signed["commit"]), missing),
        "data": _data(layout, signed, missing),
        "split": card["receipt"],
        **({"recalibration": card["recalibration"]} if "recalibration" in card else {}),
    }
    if patients:
        found["patients"] = _patients(layout, signed, card, missing)
    return found


def _beside(record: Record) -> str:
    """The name of what the other model said to the same question, if there was one."""
    said = told(record)["answer"]
    if record.standard in (probation.SILENT, probation.FAILED) and isinstance(said, dict):
        return str(said.get("beside"))
    try:
        return probation.silent_id(record.answer_id)
    except ValueError:  # not an id of the service
        return ""


@contextmanager
def _release(layout: Layout, version: str, digest: str) -> Iterator[tuple[str, Path]]:
    """The release with that certificate, and in words where it was found."""
    given = config.environment("MEDPIPE_RELEASES")
    folders = {"the champion": layout.champion}
    if given is not None:
        folders["MEDPIPE_RELEASES"] = Path(given) / layout.workload
    for where, folder in folders.items():
        with contextlib.suppress(CertificateError):
            if certificate.digest(certificate.read(folder)) == digest:
                yield where, folder
                return
    if not tracking.exists(layout):
        raise MissingStageError(
            "it is not the champion, and there is no registry on this machine; point "
            "MLFLOW_TRACKING_URI at the one it was promoted in"
        )
    with released(layout, version, digest) as folder:
        if certificate.digest(certificate.read(folder)) != digest:
            raise CertificateError("the registry holds another certificate under its name")
        yield f"the registry at {tracking.shown_uri(layout)}", folder


def _signature(layout: Layout, signed: dict[str, Any], folder: Path) -> str:
    """Whether certificate and files are what the gate signed, in words."""
    try:
        certificate.verify(signed, folder, keys.trusted(layout.home))
    except CertificateError as error:
        return f"not good: {error}"
    return "good"


def _run(layout: Layout, run_id: str, missing: list[str]) -> dict[str, Any]:
    try:
        if not tracking.exists(layout):
            raise MissingStageError("there is no MLflow store on this machine")
        tags = tracking.run_tags(layout, run_id)
    except MedpipeError as error:
        missing.append(f"the run {run_id}: {error}")
        return {"run_id": run_id}
    kept = ("code.", "data.", "environment.", "medpipe.imported_from")
    return {
        "run_id": run_id,
        "tags": {name: tag for name, tag in tags.items() if name.startswith(kept)},
    }


def _code(layout: Layout, commit: str, missing: list[str]) -> dict[str, Any]:
    is_here = lineage.has_commit(layout.root, commit)
    if not is_here:
        missing.append(f"the code: this repository has no commit {commit}; `git fetch` it")
    return {"commit": commit, "is_here": is_here}


def _data(layout: Layout, signed: dict[str, Any], missing: list[str]) -> dict[str, Any]:
    raw_version = str(signed["raw_version"])
    here = _raw_version(layout)
    if here != raw_version:
        missing.append(
            f"the data: raw here is {'absent' if here is None else f'version {here}'}; to bring "
            f"them back: git checkout {str(signed['commit']).split()[0]} && dvc checkout"
        )
    return {"raw_version": raw_version, "is_here": here == raw_version}


def _raw_version(layout: Layout) -> str | None:
    try:
        return Raw(layout.raw, workloads.get(layout.workload).columns).version()
    except MedpipeError:  # nothing was ingested here, or the workload is not installed
        return None


def _patients(
    layout: Layout, signed: dict[str, Any], card: dict[str, Any], missing: list[str]
) -> dict[str, Any]:
    """The pseudonyms on the sides that shaped the model, out of ready or raw."""
    counts = card["receipt"]["counts"]
    expected = {side: counts[side]["groups"] for side in _TRAINED}
    for where, of in (("ready", _of_ready), ("raw", _of_raw)):
        try:
            rows = of(layout, signed, card)
            names = {side: sorted(set(rows[side]["group"])) for side in _TRAINED}
        except MedpipeError as error:
            missing.append(f"the patients, from {where}: {error}")
            continue
        found = {side: len(groups) for side, groups in names.items()}
        if found == expected:
            return {"counts": expected, "found_in": where, "pseudonyms": names}
        missing.append(f"the patients: {where} gives {found} of them, the receipt {expected}")
    return {"counts": expected}


def _of_ready(layout: Layout, signed: dict[str, Any], _: dict[str, Any]) -> dict[str, pd.DataFrame]:
    ready = Ready(layout.ready)
    if ready.receipt["digest"] != signed["receipt"]:
        raise MissingStageError(
            f"ready was made by another split than that of receipt {signed['receipt'][:16]}…"
        )
    return {side: ready.frame(side) for side in _TRAINED}


def _of_raw(
    layout: Layout, signed: dict[str, Any], card: dict[str, Any]
) -> dict[str, pd.DataFrame]:
    """What the rule on the card makes of raw, if that is what it was then."""
    if _raw_version(layout) != signed["raw_version"]:
        raise MissingStageError(f"raw is not version {signed['raw_version'][:16]}… any more")
    workload = workloads.get(layout.workload)
    params = config.Params(split=config.SplitParams.model_validate(card["split"]))
    rows = preprocess.sides(Raw(layout.raw, workload.columns), workload, params)
    return {side: rows[rows["side"] == side] for side in _TRAINED}
