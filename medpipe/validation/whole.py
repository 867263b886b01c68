"""Rules about raw as a whole: enough examples, patients and classes, and no contradictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from numbers import Real

import pandas as pd

from medpipe.columns import Column
from medpipe.config import ValidateParams
from medpipe.validation.rules import Finding, Rule, Severity
from medpipe.workload import Workload

_CLASSES = 100
"""An integer label of more values than this is not one of declared classes."""
_GROUPS_COUNTED = 100_000
"""Patients are counted to about here; no more are ever asked for, and a set of all would grow."""
_SHOWN = 1000
"""Ids of examples per rule."""


class _Label:
    """What is known of one label column."""

    def __init__(self, column: Column, *, alone: bool) -> None:
        self._column, self._alone = column, alone
        self._classes: Counter[object] = Counter()
        self._unlabelled: list[str] = []
        self._missing = self._rows = 0

    def add(self, frame: pd.DataFrame) -> None:
        label = frame[self._column.name]
        self._rows += len(frame)
        if self._column.classed:
            self._classes.update(label.dropna().value_counts().to_dict())
        missing = frame[label.isna()]
        self._missing += len(missing)
        self._unlabelled += _ids(missing)[: _SHOWN - len(self._unlabelled)]

    def findings(self, params: ValidateParams) -> list[Finding]:
        found = [self._labelled(params.max_null_share)]
        if self._column.classed:
            found.append(_classes(self._rule("classes"), self._classes, self._column, params))
        return found

    def _rule(self, what: str) -> str:
        return f"data.{what}" if self._alone else f"data.{what}.{self._column.name}"

    def _labelled(self, most: float) -> Finding:
        name = self._column.name
        without = "examples without one are" if self._alone else "where it is missing it is"
        rule = Rule(
            self._rule("labelled"),
            "whole",
            (name,),
            f"at most {most:.0%} of the examples lack a label (validate.max_null_share)",
            todo=f"add the labels at the source and ingest again; {without} left out",
        )
        share = self._missing / self._rows if self._rows else 0.0
        passed = share <= most and (self._missing < self._rows or not self._rows)
        return Finding(
            rule,
            passed,
            count=0 if passed else self._missing,
            examples=() if passed else tuple(self._unlabelled),
            detail=f"{self._missing} of {self._rows} examples have no {name}",
        )


class Whole:
    """What is known of raw as a whole, from frames of it that are seen once, one after the other.

    Memory does not grow with the rows, but for a workload with a `duplicate_column`: contents can
    only be compared with all others, so four small columns are kept.
    """

    def __init__(self, workload: Workload, params: ValidateParams) -> None:
        self._names = workload.label_columns
        columns = {column.name: column for column in workload.columns}
        alone = len(self._names) == 1
        self._labels = [_Label(columns[name], alone=alone) for name in self._names]
        self._content = workload.duplicate_column
        self._params = params
        self._kept: list[pd.DataFrame] = []
        self._groups: set[str] = set()
        self.rows = 0

    def add(self, frame: pd.DataFrame) -> None:
        """Take in `frame` (N, columns): small columns of raw, without superseded revisions."""
        self.rows += len(frame)
        if len(self._groups) <= _GROUPS_COUNTED:
            self._groups.update(frame["group"].dropna())
        for label in self._labels:
            label.add(frame)
        if self._content is not None:
            self._kept.append(frame[["example", "group", self._content, *self._names]])

    def findings(self) -> list[Finding]:
        """What is found of every rule over the whole, kept ones included."""
        params = self._params
        findings = [
            _enough("examples", self.rows, params.min_examples, "ingest more of the source"),
            _groups(len(self._groups), params),
            *(finding for label in self._labels for finding in label.findings(params)),
        ]
        if self._content is not None and self._kept:
            frame = pd.concat(self._kept, ignore_index=True)
            findings += _same_content(frame, self._content, self._names, params)
        return findings


def _enough(what: str, count: int, least: int, todo: str) -> Finding:
    rule = Rule(
        f"data.{what}",
        "whole",
        (),
        f"there are at least {least} {what} (validate.min_{what})",
        todo=todo,
    )
    return Finding(rule, count >= least, detail=f"{count} {what} where at least {least} are asked")


def _groups(count: int, params: ValidateParams) -> Finding:
    todo = "ingest more patients; a model is measured on patients that it was not trained on"
    found = _enough("groups", count, params.min_groups, todo)
    detail = "all examples belong to one patient" if count == 1 else found.detail
    return Finding(found.rule, found.passed and count > 1, detail=detail)


def _classes(
    name: str, seen: Mapping[object, int], label: Column, params: ValidateParams
) -> Finding:
    counts = Counter({str(value): 0 for value in _declared(label)})
    for value, count in seen.items():
        counts[_text(value)] += int(count)
    held = sum(n > 0 for n in counts.values())
    rule = Rule(
        name,
        "whole",
        (label.name,),
        f"every class has at least {params.min_per_class} examples (validate.min_per_class)",
        todo="ingest more examples of the rare class",
    )
    listed = ", ".join(f"{each}: {n}" for each, n in sorted(counts.items()))
    detail = f"one class only ({listed})" if held == 1 else f"examples by {label.name}: {listed}"
    passed = held > 1 and min(counts.values()) >= params.min_per_class
    return Finding(rule, passed, detail=detail)


def _declared(label: Column) -> tuple[object, ...]:
    """The classes that `label` says there are; none where it does not say."""
    if label.values:
        return label.values
    if label.dtype == "bool":
        return (0, 1)
    if label.dtype != "int" or label.low is None or label.high is None:
        return ()
    classes = range(int(label.low), int(label.high) + 1)
    return tuple(classes) if len(classes) <= _CLASSES else ()


def _text(value: object) -> str:
    """A class as text; 1, 1.0 and True are one class."""
    return str(int(float(value))) if isinstance(value, Real) else str(value)


def _same_content(
    frame: pd.DataFrame, content: str, labels: Sequence[str], params: ValidateParams
) -> list[Finding]:
    known = frame[frame[content].notna()]
    shared = known[known.duplicated(content, keep=False)]
    by_content = shared.groupby(content)
    said = by_content[list(labels)].transform("nunique")
    several_labels = shared[(said > 1).any(axis=1)]
    several_groups = shared[by_content["group"].transform("nunique") > 1]
    severity: Severity = "critical" if params.contradictions == "stop" else "warning"
    contradiction = Rule(
        "data.contradictions",
        "whole",
        (content, *labels),
        "the same content never has two labels (validate.contradictions)",
        severity,
        todo="decide at the source which label is right and ingest again",
    )
    two_patients = Rule(
        "data.one_patient",
        "whole",
        (content, "group"),
        "the same content belongs to one patient",
        "warning",
        todo="find out at the source whether one person has two numbers; the split keeps copies on "
        "one side",
    )
    return [_broken_by(contradiction, several_labels), _broken_by(two_patients, several_groups)]


def _broken_by(rule: Rule, rows: pd.DataFrame) -> Finding:
    return Finding(rule, rows.empty, count=len(rows), examples=_ids(rows))


def _ids(rows: pd.DataFrame) -> tuple[str, ...]:
    return tuple(rows["example"].astype(str)[:_SHOWN])
