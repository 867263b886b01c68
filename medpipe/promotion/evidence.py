"""What the record of answers says of a release: counted again, whatever the service has counted.

A record that was changed is no evidence: nothing is decided by it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from medpipe import objectives, probation
from medpipe.audit import place as places
from medpipe.audit.chain import Chain
from medpipe.audit.record import ANSWERED, Record
from medpipe.audit.store import Store
from medpipe.errors import AuditError, MissingStageError, ScoreError
from medpipe.objectives.objective import Objective
from medpipe.probation import Bounds, Tally
from medpipe.promotion.record import Held, OnProbation
from medpipe.workload import Workload

_AT_ONCE = 1000
_BESIDE = (probation.SILENT, probation.FAILED)


def of_probation(workload: Workload, root: Path, begun: OnProbation) -> Tally:
    """What became of the candidate's answers since its probation began.

    Raises
    ------
    AuditError : the record is out of reach, or was changed
    """
    tally, objective = Tally(), objectives.of(workload)
    with contextlib.suppress(MissingStageError), places.reading(root) as (chain, store):
        found = store.of_release(begun.held.certificate, since=begun.terms.began)
        for some in _some(found):
            tally = _compared(some, store, chain, begun, objective, tally)
    return tally  # of nothing, where nothing was asked yet


def of_champion(root: Path, champion: Held, bounds: Bounds, *, since: str) -> Tally:
    """What became of the champion's own answers since then; what was refused is not its fault.

    Raises
    ------
    AuditError : the record is out of reach, or was changed
    """
    tally = Tally()
    with contextlib.suppress(MissingStageError), places.reading(root) as (chain, store):
        for record in store.of_release(champion.certificate, since=since):
            said = _said(record, chain)
            if record.standard in _BESIDE:
                continue
            if record.status >= 500 or said.get("refused") == ScoreError.__name__:
                tally = tally.failed()
            elif record.status == ANSWERED:
                tally = tally.given(late=_is_late(record, bounds), differs=None)
    return tally


def _compared(
    own: list[Record],
    store: Store,
    chain: Chain,
    begun: OnProbation,
    objective: Objective,
    tally: Tally,
) -> Tally:
    """`tally` with the records `own` of the candidate, each held against the one beside it."""
    said = [_said(record, chain) for record in own]
    partners = [
        str(what.get("beside")) if each.standard in _BESIDE else probation.silent_id(each.answer_id)
        for each, what in zip(own, said, strict=True)
    ]
    theirs = {name: (r, _said(r, chain)) for name, r in store.of_answers(partners).items()}
    for record, what, partner in zip(own, said, partners, strict=True):
        if record.status != ANSWERED:
            tally = tally.failed()
            continue
        other = theirs.get(partner)
        differs = None
        if other is not None and other[0].status == ANSWERED:
            differs = not objective.agrees(what, other[1])
        tally = tally.given(late=_is_late(record, begun.terms), differs=differs)
    return tally


def _is_late(record: Record, bounds: Bounds) -> bool:
    return record.latency_ms > bounds.latency_p95_ms


def _said(record: Record, chain: Chain) -> dict[str, Any]:
    """What was said, of a record that is as it was written."""
    if not chain.is_genuine(record):
        raise AuditError(
            f"record {record.sequence} was changed, or written with another key: nothing is "
            "decided by it; see `medpipe audit verify`"
        )
    found: dict[str, Any] = json.loads(record.answer)
    return found


def _some(records: Iterable[Record]) -> Iterator[list[Record]]:
    """`records`, a thousand at a time."""
    rest = iter(records)
    while some := list(islice(rest, _AT_ONCE)):
        yield some
