"""What became of answers: held against the record of answers and the labels, then put down.

Ground truth comes late, and from people: it names an answer by its id and nothing else, may be
corrected, and may be taken back. All that was ever told stays in the history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from medpipe import workloads
from medpipe.audit.chain import Chain
from medpipe.audit.place import Place
from medpipe.audit.record import ANSWERED, Record, name
from medpipe.audit.store import Store
from medpipe.columns import Column
from medpipe.errors import MedpipeError, OutcomeError
from medpipe.monitoring.journal import Journal, Outcome
from medpipe.records import record

Typed = Callable[[Any, Column], Any]
"""A value as its column holds it; raises MedpipeError where it cannot be one."""


@dataclass(frozen=True)
class Told:
    """What somebody says of one answer.

    Parameters
    ----------
    row : its number where it came from, for messages
    labels : label column → value; None takes back what was told before
    """

    row: int
    answer_id: str
    labels: Mapping[str, Any]


def from_json(value: Any, column: Column) -> Any:
    """`value` of a JSON document as `column` holds it. Raises UnreadableError."""
    return record.read({column.name: value}, [column])[column.name]


class Outcomes:
    """What was told of the answers of one place; `Outcomes.open` opens it."""

    def __init__(self, chain: Chain, store: Store, journal: Journal) -> None:
        self._chain, self._store, self._journal = chain, store, journal

    @classmethod
    @contextmanager
    def open(cls, place: Place) -> Iterator[Outcomes]:
        """Those of `place`.

        Raises
        ------
        AuditError, MissingStageError : the record of answers is out of reach, or there is none
        """
        chain = place.chain(create=False)
        store = place.store(chain)
        store.open(create=False)
        try:
            journal = Journal(place.database)
            try:
                yield cls(chain, store, journal)
            finally:
                journal.close()
        finally:
            store.close()

    def tell(
        self, told: Sequence[Told], *, told_by: str, typed: Typed = from_json
    ) -> dict[str, int]:
        """Put down what of `told` is new: all of it, or nothing.

        Returns
        -------
        answers, told, unchanged: numbers of answers, of outcomes put down, and of those that were
        told before as they are told now

        Raises
        ------
        OutcomeError : a row cannot be so; says of each why
        """
        found, problems = self._outcomes(told, told_by=name(told_by), typed=typed)
        if problems:
            raise OutcomeError(problems)
        current = self._journal.current(list({outcome.answer_id for outcome in found}))
        fresh = [o for o in found if current.get((o.answer_id, o.label)) != o.value]
        self._journal.tell(fresh)
        answers = {one.answer_id for one in told}
        return {"answers": len(answers), "told": len(fresh), "unchanged": len(found) - len(fresh)}

    def of(self, answer_id: str) -> dict[str, Any] | None:
        """{answer_id, workload, outcome: label → value, history}; None where there is no answer."""
        if (held := self._store.of_answer(answer_id)) is None:
            return None
        return {
            "answer_id": answer_id,
            "workload": held.workload,
            **spelled(self._journal.history(answer_id)),
        }

    def _outcomes(
        self, told: Sequence[Told], *, told_by: str, typed: Typed
    ) -> tuple[list[Outcome], list[tuple[int, str]]]:
        """What of `told` can be so, and what is wrong with the rest: row, and why."""
        records = self._store.of_answers([one.answer_id for one in told])
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        found: dict[tuple[str, str], Outcome] = {}
        problems: list[tuple[int, str]] = []
        for one in told:
            try:
                held = self._answered(records.get(one.answer_id))
                for label, value in one.labels.items():
                    kept = _value(held.workload, label, value, typed)
                    if (key := (one.answer_id, label)) in found:
                        raise OutcomeError([(one.row, f"{label} of this answer is told twice")])
                    found[key] = Outcome(at, told_by, one.answer_id, held.workload, label, kept)
            except OutcomeError as error:
                problems += [(one.row, why) for _, why in error.problems]
            except MedpipeError as error:
                problems.append((one.row, str(error)))
        return list(found.values()), problems

    def _answered(self, held: Record | None) -> Record:
        """`held`, if an outcome can be held against what it says. Raises OutcomeError."""
        if held is None:
            why = (
                "no such answer is on record here; one that was given while the record was down is "
                "put there when the service reaches it again"
            )
        elif not self._chain.is_genuine(held):
            why = "the record of this answer was changed; see `medpipe audit verify`"
        elif held.status != ANSWERED:
            why = f"it was refused with status {held.status}: nothing was said that could be true"
        else:
            return held
        raise OutcomeError([(0, why)])


def spelled(history: Sequence[Outcome]) -> dict[str, Any]:
    """`history` of one answer for a reader: {outcome: what counts now, history: all, in order}."""
    last = {told.label: told.value for told in history}
    return {
        "outcome": {label: value for label, value in last.items() if value is not None},
        "history": [
            {name: getattr(told, name) for name in ("at", "told_by", "label", "value")}
            for told in history
        ],
    }


def _value(workload: str, label: str, value: Any, typed: Typed) -> Any:
    known = workloads.get(workload)
    columns = {column.name: column for column in known.columns}
    if label not in known.label_columns:
        # What was sent as a label's name may be anything, and is not repeated.
        raise OutcomeError(
            [(0, f"a label that {workload} does not have; it has {', '.join(known.label_columns)}")]
        )
    return None if value is None else typed(value, columns[label])
