"""Rules about raw as a whole: enough examples, patients and classes, and no contradictions."""

from __future__ import annotations

from numbers import Real

import pandas as pd

from medpipe.config import ValidateParams
from medpipe.validation.rules import Finding, Rule, Severity
from medpipe.workload import Column, Workload

_CLASSES = 100
"""An integer label of more values than this is not one of declared classes."""


def judge(frame: pd.DataFrame, workload: Workload, params: ValidateParams) -> list[Finding]:
    """What is found of every rule over the whole, kept ones included.

    Parameters
    ----------
    frame : (N, columns) the small columns of raw, without superseded revisions
    """
    label = next(c for c in workload.columns if c.name == workload.label)
    findings = [
        _enough("examples", len(frame), params.min_examples, "ingest more of the source"),
        _groups(frame["group"].nunique(), params),
        _labelled(frame, label, params),
    ]
    if label.classed:
        findings.append(_classes(frame, label, params))
    if workload.duplicate_column:
        findings += _same_content(frame, workload, params)
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


def _labelled(frame: pd.DataFrame, label: Column, params: ValidateParams) -> Finding:
    missing = frame[label.name].isna()
    share = float(missing.mean()) if len(frame) else 0.0
    rule = Rule(
        "data.labelled",
        "whole",
        (label.name,),
        f"at most {params.max_null_share:.0%} of the examples lack a label "
        "(validate.max_null_share)",
        todo="add the labels at the source and ingest again; examples without one are left out",
    )
    passed = share <= params.max_null_share and not missing.all()
    return Finding(
        rule,
        passed,
        count=0 if passed else int(missing.sum()),
        examples=() if passed else _ids(frame[missing]),
        detail=f"{int(missing.sum())} of {len(frame)} examples have no {label.name}",
    )


def _classes(frame: pd.DataFrame, label: Column, params: ValidateParams) -> Finding:
    counts = {str(value): 0 for value in _declared(label)}
    counts |= {_text(v): int(n) for v, n in frame[label.name].dropna().value_counts().items()}
    held = sum(n > 0 for n in counts.values())
    rule = Rule(
        "data.classes",
        "whole",
        (label.name,),
        f"every class has at least {params.min_per_class} examples (validate.min_per_class)",
        todo="ingest more examples of the rare class",
    )
    listed = ", ".join(f"{name}: {n}" for name, n in sorted(counts.items()))
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


def _same_content(frame: pd.DataFrame, workload: Workload, params: ValidateParams) -> list[Finding]:
    content, label = str(workload.duplicate_column), workload.label
    known = frame[frame[content].notna()]
    shared = known[known.duplicated(content, keep=False)]
    by_content = shared.groupby(content)
    several_labels = shared[by_content[label].transform("nunique") > 1]
    several_groups = shared[by_content["group"].transform("nunique") > 1]
    severity: Severity = "critical" if params.contradictions == "stop" else "warning"
    contradiction = Rule(
        "data.contradictions",
        "whole",
        (content, label),
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
    return tuple(rows["example"].astype(str)[:1000])
