"""The signed, numbered promotion record: which release is champion, and by whose decision.

It is the one thing that promote and rollback commit; aliases and the release folder only follow it.
So an alias that was moved by hand, or a release folder that was exchanged, is a difference from the
record, and a promotion that was killed half-way is either not yet or already decided. The record
lies in the registry, where every machine sees it, and as a copy on this machine, so that an older
one put back in the registry is noticed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from medpipe import certificate, files, keys, tracking
from medpipe.errors import CertificateError
from medpipe.paths import Layout
from medpipe.probation import Terms

TAG = "medpipe.promotion"
KIND = "medpipe promotion record 1"


@dataclass(frozen=True)
class Held:
    """A release that the record vouches for.

    Parameters
    ----------
    version : in the registry
    certificate : digest of its certificate
    content : digest of all that the service would do; see `promotion.candidate`
    base : content of the trained model, where this is a recalibration of it; None where it is not
    """

    version: str
    certificate: str
    content: str
    base: str | None = None


@dataclass(frozen=True)
class OnProbation:
    """A release that the gate has allowed, beside the champion, and on what terms."""

    held: Held
    terms: Terms


@dataclass(frozen=True)
class Record:
    """One decision about a workload's champion; `sequence` counts from 1 and never repeats.

    Parameters
    ----------
    withdrawn : versions that were rolled back, which the policy alone may not promote again
    at : UTC, ISO 8601
    probation : the model beside the champion; None where there is none
    """

    workload: str
    sequence: int
    action: Literal["promote", "recalibrate", "rollback", "begin probation", "end probation"]
    champion: Held
    previous: Held | None
    withdrawn: tuple[str, ...]
    approver: str
    reason: str
    at: str
    probation: OnProbation | None = None


@dataclass(frozen=True)
class Ledger:
    """What registry and this machine hold.

    Parameters
    ----------
    record : the newest that is genuine; None where there is none
    signed : it, with its signature
    problems : sentences; empty where both places hold the same genuine record, or none at all
    """

    record: Record | None
    signed: dict[str, Any] | None
    problems: tuple[str, ...]


def read(layout: Layout) -> Ledger:
    """The record of the workload, and what is wrong with it; a forged one does not raise."""
    places = {"registry": tracking.model_tag(layout, TAG), "copy on this machine": _copy(layout)}
    genuine: list[tuple[Record, dict[str, Any]]] = []
    problems = []
    for where, text in places.items():
        if text is None:
            continue
        try:
            genuine.append(_parsed(text, layout, where))
        except CertificateError as error:
            problems.append(str(error))
    if not genuine:
        return Ledger(None, None, tuple(problems))
    if len(genuine) == 1 and not problems:
        missing = next(where for where, text in places.items() if text is None)
        problems.append(f"the promotion record is missing from the {missing}")
    elif len(genuine) == 2 and genuine[0] != genuine[1]:
        numbers = " and ".join(str(each.sequence) for each, _ in genuine)
        problems.append(
            f"registry and this machine hold different promotion records, number {numbers}; "
            "the higher one counts, the registry's where they are equal"
        )
    record, signed = max(genuine, key=lambda each: each[0].sequence)
    return Ledger(record, signed, tuple(problems))


def in_force(layout: Layout) -> Ledger:
    """`read`, when there is a genuine record or none at all.

    Going on without a champion because its record was damaged would skip the comparison with it.

    Raises
    ------
    CertificateError : there is one, and it is not genuine
    """
    ledger = read(layout)
    if ledger.record is None and ledger.problems:
        raise CertificateError(
            f"{ledger.problems[0]}. If it cannot be restored, remove the registered model's tag "
            f"{TAG} and {layout.record} to begin anew"
        )
    return ledger


def commit(layout: Layout, record: Record, key: Ed25519PrivateKey) -> dict[str, Any]:
    """Sign `record` and put it in force; gives what was signed."""
    signed = certificate.sign({"kind": KIND, **asdict(record)}, key)
    mend(layout, signed)
    return signed


def mend(layout: Layout, signed: dict[str, Any]) -> None:
    """Put `signed` wherever it is not already; the registry first, because others read that."""
    text = certificate.canonical(signed).decode("utf-8")
    if tracking.model_tag(layout, TAG) != text:
        tracking.set_model_tag(layout, TAG, text)
    if _copy(layout) != text:
        with files.new_file(layout.record) as partial:
            partial.write_text(text, encoding="utf-8")


def _copy(layout: Layout) -> str | None:
    try:
        return layout.record.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        return ""


def _parsed(text: str, layout: Layout, where: str) -> tuple[Record, dict[str, Any]]:
    what = f"the promotion record of {layout.workload} ({where})"
    try:
        signed = json.loads(text)
    except ValueError:
        signed = None
    if not isinstance(signed, dict) or signed.get("kind") != KIND:
        raise CertificateError(f"{what} is not readable; `medpipe promote` writes it anew")
    certificate.verify_signature(signed, keys.trusted(layout.home), what=what)
    if signed["workload"] != layout.workload:
        raise CertificateError(f"{what} is that of {signed['workload']}: it was copied by hand")
    # Records of an earlier medpipe know of no probation.
    facts: dict[str, Any] = {name: signed.get(name) for name in Record.__dataclass_fields__}
    for name in ("champion", "previous"):
        facts[name] = None if facts[name] is None else Held(**facts[name])
    if (begun := facts["probation"]) is not None:
        facts["probation"] = OnProbation(Held(**begun["held"]), Terms(**begun["terms"]))
    return Record(**{**facts, "withdrawn": tuple(facts["withdrawn"])}), signed
