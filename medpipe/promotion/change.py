"""The next record, and all that follows it: a new champion, one on probation, a step back.

Whoever calls has the lock of the workload's record, and has let everything follow the last one.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime

from medpipe import keys, probation, tracking
from medpipe.errors import TrackingError
from medpipe.paths import Layout
from medpipe.probation import ReleaseParams
from medpipe.promotion import record
from medpipe.promotion.champion import fetched, follow
from medpipe.promotion.record import Held, OnProbation, Record


def promoted(
    layout: Layout, new: Held, held: Record | None, *, reason: str, approver: str
) -> Record:
    """`new` is champion once it is back from the registry; whatever was on probation is not."""
    after = Record(
        workload=layout.workload,
        sequence=held.sequence + 1 if held else 1,
        action="promote" if new.base is None else "recalibrate",
        champion=new,
        previous=_previous(held, new),
        withdrawn=_withdrawn(held, kept=new),
        approver=approver,
        reason=reason,
        at=now().isoformat(),
    )
    return _in_force(layout, after, new)


def begun(
    layout: Layout,
    new: Held,
    held: Record,
    release: ReleaseParams,
    *,
    reason: str,
    approver: str,
) -> Record:
    """`new` is on probation beside the champion, on the terms of section `release`."""
    began = now()
    after = replace(
        held,
        sequence=held.sequence + 1,
        action="begin probation",
        withdrawn=_withdrawn(held, kept=new),
        approver=approver,
        reason=reason,
        at=began.isoformat(),
        probation=OnProbation(new, probation.terms_of(release, began)),
    )
    return _in_force(layout, after, new)


def ended(layout: Layout, held: Record, *, reason: str, approver: str) -> Record:
    """The model on probation is taken away, and the policy alone may not offer it again."""
    begun = on_probation(held)
    after = replace(
        held,
        sequence=held.sequence + 1,
        action="end probation",
        withdrawn=_withdrawn(held, kept=held.champion),
        approver=approver,
        reason=reason,
        at=now().isoformat(),
        probation=None,
    )
    after = _in_force(layout, after, None)
    tracking.tag_version(layout, begun.held.version, {"medpipe.withdrawn": reason})
    return after


def rolled_back(layout: Layout, held: Record, *, reason: str, approver: str) -> Record:
    """The previous champion is champion again; its own certificate must still hold.

    A model on probation goes with the champion beside which it was.
    """
    if held.previous is None:
        raise TrackingError(
            f"{layout.workload} has no previous champion to go back to from version "
            f"{held.champion.version}; train and promote another model instead"
        )
    after = Record(
        workload=layout.workload,
        sequence=held.sequence + 1,
        action="rollback",
        champion=held.previous,
        previous=None,
        withdrawn=(*held.withdrawn, held.champion.version),
        approver=approver,
        reason=reason,
        at=now().isoformat(),
    )
    after = _in_force(layout, after, held.previous)
    tracking.tag_version(layout, held.champion.version, {"medpipe.withdrawn": reason})
    return after


def on_probation(held: Record | None) -> OnProbation:
    """The model on probation. Raises TrackingError where there is none."""
    if held is None or held.probation is None:
        raise TrackingError(
            "no model is on probation; `medpipe promote WORKLOAD --shadow` begins one"
        )
    return held.probation


def ensure_unchanged(held: Record, sequence: int | None) -> None:
    """Raise TrackingError where `held` is not the record with that number, unless that is None."""
    if sequence not in (None, held.sequence):
        raise TrackingError(
            f"record {held.sequence} ({held.action}) came between; what was decided beside record "
            f"{sequence} is not done"
        )


def now() -> datetime:
    """UTC, to the second, as records state it."""
    return datetime.now(UTC).replace(microsecond=0)


def _in_force(layout: Layout, after: Record, brought_in: Held | None) -> Record:
    """Commit `after` once the release that it brings in is at hand, whole."""
    with nullcontext() if brought_in is None else fetched(layout, brought_in) as folder:
        record.commit(layout, after, keys.signing_key(layout.home))
        follow(layout, after, at_hand=folder)
    return after


def _previous(held: Record | None, champion: Held) -> Held | None:
    """What a rollback goes back to: never the champion itself under its expired certificate."""
    if held is None:
        return None
    return held.previous if held.champion.version == champion.version else held.champion


def _withdrawn(held: Record | None, *, kept: Held) -> tuple[str, ...]:
    """Versions that only a person may promote: also that whose probation ends without success."""
    if held is None:
        return ()
    failed = () if held.probation is None else (held.probation.held.version,)
    return tuple(each for each in (*held.withdrawn, *failed) if each != kept.version)
