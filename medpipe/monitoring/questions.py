"""What was asked of the model, how an outcome answers it, and what the report promised of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medpipe.monitoring.facts import Watched
from medpipe.monitoring.windows import ALL, Part


@dataclass(frozen=True)
class Question:
    """One yes or no that the model gives a risk of.

    Parameters
    ----------
    name : which class or label; empty where there is one
    fact : of part `score`, that holds its risk
    column : label column whose outcome answers it
    yes : value of that column that means yes; None: a true one does
    promises : of all, and of each part that the report judged: metrics by name
    """

    name: str
    fact: str
    column: str
    yes: str | None
    promises: Mapping[Part, Mapping[str, Any]]

    def outcome(self, labels: Mapping[str, Any]) -> bool | None:
        """What `labels`, by column, say; None where it is not known."""
        value = labels.get(self.column)
        if value is None:
            return None
        return bool(value) if self.yes is None else str(value) == self.yes


def asked(watched: Watched, labels: Sequence[str], card: Mapping[str, Any]) -> list[Question]:
    """The questions that a release answers; none of one that answers with a quantity.

    Parameters
    ----------
    labels : the label columns of the workload
    card : card.json of the release, which holds what its report promised
    """
    found = []
    for fact in watched.facts:
        if fact.part != "score":
            continue
        kind, _, name = fact.name.partition("_")
        if fact.name == "risk":
            found.append(Question("", fact.name, labels[0], None, _promises(card, "")))
        elif kind == "risk":
            found.append(Question(name, fact.name, name, None, _promises(card, name)))
        elif kind == "probability":
            found.append(Question(name, fact.name, labels[0], name, _promises(card, name)))
    return found


def _promises(card: Mapping[str, Any], name: str) -> dict[Part, Mapping[str, Any]]:
    return dict(_promised(card, name))


def _promised(card: Mapping[str, Any], name: str) -> Iterator[tuple[Part, Mapping[str, Any]]]:
    splits = card.get("splits") or {}
    # Of a recalibrated release, answers have shown what its risks promise; test was of others.
    yield ALL, _metrics(splits.get("answers") or splits.get("test") or {}, name)
    for group in card.get("subgroups") or ():
        if group.get("judged"):
            # Words are watched in small letters (`facts.inputs`).
            yield (group["column"], str(group["value"]).lower()), _metrics(group, name)


def _metrics(measured: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = (measured.get("parts") or {}).get(name, {}) if name else measured
    return part.get("metrics") or {}
