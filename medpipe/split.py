"""Which patient stands on which side, and the receipt that proves it.

A side is a salted hash of the group's pseudonym: it needs no memory, does not depend on who else is
there, and so never changes while data grow. The hash keeps patients apart; the receipt checks what
hashing cannot know: that no group and no picture stands on two sides after all, because a
publication split by file, or because one patient came under two names.

What makes a receipt not clean: a group on two sides; the same content on two sides; more than 1 %
of a held-out side with a near duplicate on another side (`medpipe.duplicates` says how one is
recognised, what was measured, and why the bar is a share).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from medpipe import duplicates
from medpipe.errors import DataError

Side = Literal["train", "val", "test", "external"]
SIDES: tuple[Side, ...] = ("train", "val", "test", "external")
"""From the one that may be spared most easily to the one that must stay whole."""
_SHOWN_GROUPS = 1000


class Rule(Protocol):
    """Section `split` of params.yaml, as far as this module reads it."""

    @property
    def by(self) -> str: ...
    @property
    def salt(self) -> str: ...
    @property
    def val(self) -> float: ...
    @property
    def test(self) -> float: ...
    @property
    def external_sites(self) -> list[str]: ...
    @property
    def near_duplicate_bits(self) -> int: ...


@dataclass(frozen=True)
class Examples:
    """What a receipt looks at; every array has one entry per example, in the order of ready.

    Parameters
    ----------
    example, group : (N,) pseudonyms
    side : (N,) one of `SIDES`
    positive : (N,) bool, or None where the label is not yes or no
    content : (N,) equal where the content is the same, None where unknown; None: no such column
    likeness : (N,) 64-bit hashes as hexadecimal text, None where unknown; None: no such column
    """

    example: np.ndarray
    group: np.ndarray
    side: np.ndarray
    positive: np.ndarray | None = None
    content: np.ndarray | None = None
    likeness: np.ndarray | None = None


def side(group: str, *, salt: str, val: float, test: float) -> Literal["train", "val", "test"]:
    """The side of `group`: always the same one, whoever else is there.

    SHA-256 of salt and group gives a number in [0, 1): below `test` is test, the next `val` is val.
    Raising `val` at the same `test` therefore moves patients from train to val only.
    """
    digest = hashlib.sha256(f"{salt}\0{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < test:
        return "test"
    return "val" if place < test + val else "train"


def assign(columns: Mapping[str, Sequence[Any] | np.ndarray], rule: Rule) -> np.ndarray:
    """The side of every example.

    Parameters
    ----------
    columns : `group`, `site` and `published`, (N,) each
    rule : section `split`

    Returns
    -------
    (N,) of `SIDES`. With ``by: published`` the publication's sides stand; where it has no val,
    patients of its train are drawn for it by their hash. A group seen at an external site is
    external wholly.

    Raises
    ------
    DataError : an external site that does not occur, or no published side where one is asked for
    """
    groups = np.asarray(columns["group"], dtype=object)
    sites = np.asarray(columns["site"], dtype=object)
    if rule.by == "published":
        sides = _published(groups, np.asarray(columns["published"], dtype=object), rule)
    else:
        of = {g: side(g, salt=rule.salt, val=rule.val, test=rule.test) for g in set(groups)}
        sides = np.array([of[g] for g in groups], dtype=object)
    sides[_external(groups, sites, rule.external_sites)] = "external"
    return sides


def copies(sides: np.ndarray, content: np.ndarray) -> np.ndarray:
    """(N,) bool: the same content stands on a side that must stay whole more than this one does.

    One person under two pseudonyms can be hashed to two sides. Leaving the copies on the lesser
    side out keeps the picture on one side without moving a patient (`SIDES` gives the order).
    """
    rank = np.array([SIDES.index(s) for s in sides], dtype=np.int64)
    highest: dict[Any, int] = {}
    for key, place in zip(content, rank, strict=True):
        highest[key] = max(place, highest.get(key, 0))
    return np.array(
        [
            key is not None and place < highest[key]
            for key, place in zip(content, rank, strict=True)
        ],
        dtype=bool,
    )


def receipt(
    examples: Examples,
    rule: Rule,
    *,
    left_out: Mapping[str, int] | None = None,
    alike: duplicates.Compare | None = None,
) -> dict[str, Any]:
    """What stands where, what stands on two sides, and whether that is clean. JSON.

    Parameters
    ----------
    examples : those that are in ready
    rule : section `split`
    left_out : reason → number of examples that are in raw but not in ready
    alike : confirms pairs that the difference hash found; None: their number is reported, not
        judged

    Returns
    -------
    by, salt, val, test, external_sites, counts, assignment (SHA-256 of the sorted group and side
    pairs), left_out, shared_groups, duplicates, near_duplicates, problems (sentences), clean, and
    digest: the SHA-256 of all the others.
    """
    shared = _shared(examples)
    same = None
    if examples.content is not None:
        same = duplicates.exact(examples.example, examples.side, examples.content)
    near = None
    if examples.likeness is not None:
        near = duplicates.near(
            examples.example,
            examples.side,
            examples.likeness,
            content=examples.content,
            bits=rule.near_duplicate_bits,
            alike=alike,
        )
    found = _problems(shared, same, near)
    body: dict[str, Any] = {
        "by": rule.by,
        "salt": rule.salt,
        "val": rule.val,
        "test": rule.test,
        "external_sites": list(rule.external_sites),
        "counts": _counts(examples),
        "assignment": _sha256(sorted(set(zip(examples.group, examples.side, strict=True)))),
        "left_out": dict(left_out or {}),
        "shared_groups": shared,
        "duplicates": same,
        "near_duplicates": near,
        "problems": found,
        "clean": not found,
    }
    return {**body, "digest": _sha256(body)}


def _published(groups: np.ndarray, published: np.ndarray, rule: Rule) -> np.ndarray:
    missing = sum(entry not in SIDES for entry in published)
    if missing:
        raise DataError(
            f"{missing} of {len(published)} examples have no published side; set split.by to "
            "group, or use a source that publishes a split"
        )
    sides = published.copy()
    if "val" not in set(published):
        chosen = [side(g, salt=rule.salt, val=rule.val, test=0.0) == "val" for g in groups]
        sides[(published == "train") & np.array(chosen, dtype=bool)] = "val"
    return sides


def _external(groups: np.ndarray, sites: np.ndarray, held_out: list[str]) -> np.ndarray:
    there = sorted({s for s in sites if isinstance(s, str)})
    for name in held_out:
        if name not in there:
            raise DataError(
                f"split.external_sites names {name!r}, which no example comes from; the sites are: "
                + (", ".join(there[:50]) or "none")
            )
    seen = {g for g, s in zip(groups, sites, strict=True) if s in held_out}
    return np.array([g in seen for g in groups], dtype=bool)


def _counts(examples: Examples) -> dict[str, dict[str, int | None]]:
    result: dict[str, dict[str, int | None]] = {}
    for name in SIDES:
        here = examples.side == name
        positive = examples.positive
        result[name] = {
            "examples": int(here.sum()),
            "groups": len(set(examples.group[here])),
            "positives": None if positive is None else int((positive & here).sum()),
        }
    return result


def _shared(examples: Examples) -> dict[str, Any]:
    sides: dict[str, set[str]] = {}
    for group, where in zip(examples.group, examples.side, strict=True):
        sides.setdefault(group, set()).add(where)
    groups = sorted(group for group, where in sides.items() if len(where) > 1)
    return {"count": len(groups), "groups": groups[:_SHOWN_GROUPS]}


def _problems(
    shared: dict[str, Any], same: dict[str, Any] | None, near: dict[str, Any] | None
) -> list[str]:
    problems = []
    if shared["count"]:
        problems.append(
            f"{shared['count']} groups stand on more than one side: the model is tested on "
            "patients that it may know; use split.by: group"
        )
    if same and same["contents"]:
        problems.append(
            f"{same['contents']} contents ({same['examples']} examples) stand on more than one "
            "side under different names; remove the copies from the source, or use split.by: group"
        )
    for name, share in (near["shares"] if near else {}).items():
        if share > duplicates.NEAR_SHARE:
            problems.append(
                f"{share:.1%} of {name} have a near duplicate on another side "
                f"(limit {duplicates.NEAR_SHARE:.0%}); "
                "look at the pairs in receipt.json and remove copies from the source"
            )
    return problems


def _sha256(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
