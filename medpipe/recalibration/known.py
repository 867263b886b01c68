"""Answers of one version whose outcome is known: record and journal, joined by answer id."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.audit import place as places
from medpipe.audit.record import ANSWERED, Record
from medpipe.errors import AuditError
from medpipe.evaluation.sample import Floats
from medpipe.monitoring import journal as journals


@dataclass(frozen=True)
class Known:
    """Answers and what became of them, by time.

    Parameters
    ----------
    at : (N,), UTC, ISO 8601
    risks, outcomes : (N,)
    answered : how many answers there were in that time, known or not; None where nobody counted
    """

    at: NDArray[np.str_]
    risks: Floats
    outcomes: NDArray[np.bool_]
    answered: int | None = None

    def __len__(self) -> int:
        return len(self.outcomes)

    def __getitem__(self, chosen: slice) -> Known:
        return Known(self.at[chosen], self.risks[chosen], self.outcomes[chosen])

    @property
    def cases(self) -> int:
        """With the outcome."""
        return int(self.outcomes.sum())

    @property
    def rarer(self) -> int:
        """The fewer of those with and without it."""
        return min(self.cases, len(self) - self.cases)


def read(root: Path, workload: str, *, label: str, version: str, since: str) -> Known:
    """What `version` of `workload` answered from `since` (UTC, ISO 8601) on, where it is known.

    Answers without a risk, because the model abstained, are left out. The record holds no patient,
    so each answer counts as a patient of its own.

    Parameters
    ----------
    label : the column whose outcome a risk is about

    Raises
    ------
    AuditError : what was recorded is out of reach, or was changed
    """
    with journals.at(root) as journal:
        said = journal.outcomes(workload)
        answered = sum(row.version == version for row in journal.seen(workload, since=since))
    told = {answer: labels[label] for answer, labels in said.items() if label in labels}
    found = []
    if told:
        with places.reading(root) as (chain, store):
            for answer, record in store.of_answers(sorted(told)).items():
                if not chain.is_genuine(record):
                    raise AuditError(
                        f"record {record.sequence} was changed, and nothing is fitted to it; see "
                        "`medpipe audit verify`"
                    )
                if record.version == version and record.at >= since:
                    found.append((record.at, _risk(record), bool(told[answer])))
    rows = sorted(row for row in found if row[1] is not None)
    at, risks, outcomes = zip(*rows, strict=True) if rows else ((), (), ())
    return Known(
        np.array(at, dtype=np.str_),
        np.array(risks, np.float64),
        np.array(outcomes, bool),
        answered or None,
    )


def _risk(record: Record) -> float | None:
    """What was said; None of what was refused, and where the model abstained."""
    if record.status != ANSWERED:
        return None
    said: dict[str, Any] = json.loads(record.answer)
    return said.get("risk")
