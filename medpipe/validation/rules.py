"""Rules about rows of raw, derived from the columns of a workload; and what was found of a rule."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from medpipe.columns import Column
from medpipe.workload import Workload

Severity = Literal["critical", "warning"]
Kind = Literal["type", "known", "range", "series", "values", "unique", "across", "whole"]
_AT_SOURCE = (
    "correct these rows at the source and ingest again, or, where the data are right, correct what "
    "the workload declares"
)


@dataclass(frozen=True)
class Rule:
    """Something that must hold of raw.

    Parameters
    ----------
    name : unique, `column.kind` for what a column declares
    kind : how it is judged; "whole" is judged over all parts together, the others row by row
    columns : what it looks at
    meaning : the rule as a sentence
    severity : whether breaking it stops the run
    todo : what a person does where it is broken
    low, high, span_h, values, holds : what the rule compares with, as its kind needs
    """

    name: str
    kind: Kind
    columns: tuple[str, ...]
    meaning: str
    severity: Severity = "critical"
    todo: str = _AT_SOURCE
    low: float | None = None
    high: float | None = None
    span_h: float | None = None
    values: tuple[str, ...] = ()
    holds: Callable[[pd.DataFrame], pd.Series] | None = None


@dataclass(frozen=True)
class Finding:
    """What was found of one rule.

    Parameters
    ----------
    passed : whether the rule holds
    count : examples that break it
    examples : their pseudonyms, never their values; up to 1,000
    detail : numbers that make it plain, for rules over the whole
    """

    rule: Rule
    passed: bool
    count: int = 0
    examples: tuple[str, ...] = ()
    detail: str = ""

    @property
    def stops(self) -> bool:
        return not self.passed and self.rule.severity == "critical"

    def summary(self) -> dict[str, Any]:
        """For validation.json."""
        return {
            "rule": self.rule.name,
            "column": ", ".join(self.rule.columns),
            "examples": self.count,
            "severity": self.rule.severity,
            "meaning": self.rule.meaning,
            "detail": self.detail,
        }

    def sentence(self) -> str:
        """For the error that stops the run."""
        named = ", ".join(self.examples[:3]) + (", …" if self.count > 3 else "")
        many = "example" if self.count == 1 else "examples"
        who = f" ({self.count} {many}: {named})" if self.examples else ""
        what = self.detail or f"must hold: {self.rule.meaning}"
        return f"{self.rule.name}{who}: {what}; {self.rule.todo}"


def of(workload: Workload) -> tuple[Rule, ...]:
    """The rules about rows: what the columns declare, then what the workload says across them."""
    declared = [rule for column in workload.columns for rule in _declared(column)]
    # How many may lack a label is a parameter, and judged over the whole.
    elsewhere = {f"{name}.known" for name in workload.label_columns}
    declared = [rule for rule in declared if rule.name not in elsewhere]
    across = [
        Rule(e.name, "across", e.columns, e.meaning, e.severity, holds=e.holds)
        for e in workload.expectations()
    ]
    return (*declared, *across)


def fingerprint(workload: Workload) -> str:
    """Changes where a rule may have: a digest of the rules and of the file that states them.

    The file stands for the functions of rules across columns, which have no digest of their own.
    """
    module = inspect.getmodule(type(workload))
    source = inspect.getsource(module or type(workload))
    facts = [(r.name, r.columns, r.low, r.high, r.span_h, r.values) for r in of(workload)]
    return hashlib.sha256(f"{facts!r}{source}".encode()).hexdigest()


def _declared(column: Column) -> list[Rule]:
    name, unit = column.name, f" {column.unit}" if column.unit else ""
    own = (name,)
    severity: Severity = "warning" if column.flagged else "critical"
    rules = [Rule(f"{name}.type", "type", own, f"{name} is stored as {column.dtype}")]
    if not column.nullable:
        rules.append(Rule(f"{name}.known", "known", own, f"{name} is never missing"))
    if name == "example":
        rules.append(Rule(f"{name}.unique", "unique", own, "no example stands twice in a part"))
    if column.values:
        meaning = f"{name} is one of {', '.join(column.values)}"
        rules.append(Rule(f"{name}.values", "values", own, meaning, severity, values=column.values))
    low, high, span_h = column.low, column.high, column.span_h
    if column.dtype == "series":
        meaning = f"all of {name} are {column.allowed}"
        rules.append(
            Rule(
                f"{name}.range", "series", own, meaning, severity, low=low, high=high, span_h=span_h
            )
        )
    elif low is not None or high is not None:
        least = "" if low is None else f" at least {low:g}{unit}"
        most = "" if high is None else f" at most {high:g}{unit}"
        meaning = f"{name} is{' and'.join(filter(None, (least, most)))}"
        rules.append(Rule(f"{name}.range", "range", own, meaning, severity, low=low, high=high))
    return rules
