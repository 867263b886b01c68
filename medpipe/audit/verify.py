"""Whether the record of answers is what was written, and what that can show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from medpipe.audit.chain import faults
from medpipe.audit.place import Place
from medpipe.audit.record import START, Link, Record
from medpipe.errors import AuditError, ParamsError

SHOWN = 20
"""Faults in the result; behind a removed record every later one may be at fault."""
NOT_SHOWN = (
    "records that were cut off after the newest head at hand, if head file and table were both put "
    "back to an earlier state: hold it against a later head from the service's log with --head",
    "anything that was done by somebody who has the key",
)


def verify(place: Place, heads: tuple[Link, ...] = ()) -> dict[str, Any]:
    """Read all records and check each of them.

    Parameters
    ----------
    heads : known from elsewhere, beside the one that this machine keeps

    Returns
    -------
    dict
        whole, records, first and last (time), head, held_against (heads), faults (the first
        `SHOWN`, with the number of the record), faults_in_all, problems (sentences), spooled
        (answers that wait on this machine), cannot_show (sentences).

    Raises
    ------
    AuditError : the store or the key is out of reach
    MissingStageError : there is no record yet
    """
    chain = place.chain(create=False)
    head, problems = _own_head(place)
    against = [*heads, *([head] if head != START else [])]
    store = place.store(chain)
    store.open(create=False)
    try:
        if lifted := store.missing_triggers():
            problems.append(f"the table's triggers are not in force: {', '.join(lifted)}")
        seen = _Seen()
        found = list(faults(seen.through(store.records()), chain, against))
    finally:
        store.close()
    return {
        "whole": not found and not problems,
        "records": seen.count,
        "first": seen.first and seen.first.at,
        "last": seen.last and seen.last.at,
        "head": seen.last and str(Link(seen.last.sequence, seen.last.hash)),
        "held_against": [str(link) for link in against],
        "faults": [asdict(fault) for fault in found[:SHOWN]],
        "faults_in_all": len(found),
        "problems": problems,
        "spooled": place.spool(chain).waiting(),
        "cannot_show": list(NOT_SHOWN),
    }


def head(text: str) -> Link:
    """The head in `text`, as the log has it: number, colon, 64 hexadecimal digits.

    Raises
    ------
    ParamsError : it is none
    """
    match = re.fullmatch(r"(\d+):([0-9a-f]{64})", text)
    if match is None:
        raise ParamsError(
            f"{text!r} is no head; it is the number and the hash that a line `audit head …` of the "
            "service's log ends with, such as 4711:9f86d0…"
        )
    return Link(int(match[1]), match[2])


def _own_head(place: Place) -> tuple[Link, list[str]]:
    try:
        return place.head(place.chain(create=False)).read(), []
    except AuditError as error:
        return START, [str(error)]


class _Seen:
    """Counts what passes through."""

    def __init__(self) -> None:
        self.count = 0
        self.first: Record | None = None
        self.last: Record | None = None

    def through(self, records: Iterator[Record]) -> Iterator[Record]:
        for record in records:
            self.count += 1
            self.first, self.last = self.first or record, record
            yield record
