"""In words: what the sets of possible outcomes hold, and which inputs the model is not for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from medpipe.evaluation.words import hundredths, shown

Report = Mapping[str, Any]
Row = tuple[str, str, str]
"""Name, share or interval, and a second figure, empty where there is none."""


def alerts(report: Report) -> list[str]:
    """Promises that test did not keep; nothing where it kept all."""
    promised = report["operating_point"]["coverage"]
    broken = [
        name
        for name, found in _cells(report["splits"]["test"]["sets"])
        if found["value"] is not None and found["high"] < promised
    ]
    if not broken:
        return []
    return [
        f"What is called possible holds the truth less often than promised: {', '.join(broken)}."
    ]


def promise(report: Report) -> str:
    """What a set, or a range, is to hold."""
    share = hundredths(report["operating_point"]["coverage"])
    if not report["splits"]["test"]["sets"]["sizes"]:
        return f"In {share} of 100 patients the true value is to lie in the range of the answer."
    return (
        "Beside its decision the model names every outcome that it cannot rule out. In "
        f"{share} of 100 patients the true one is to be among them, of each outcome by itself, so "
        "that a rare one is not paid for with a common one. Where several remain, it cannot tell."
    )


def sizes(report: Report) -> str:
    """How many patients get one outcome, several, or none; empty where answers are ranges."""
    sizes = report["splits"]["test"]["sets"]["sizes"]
    found = {name: each["value"] for name, each in sizes.items()}
    if not found or None in found.values():
        return ""
    one, several, none = (hundredths(found[name]) for name in ("one", "several", "none"))
    return (
        f"Of 100 patients, {one} get a single outcome, {several} get several, and {none} fit "
        "none as well as nearly all who have it do."
    )


def coverage(report: Report) -> list[Row]:
    """Coverage of everyone, of each outcome, and of each judged subgroup: test and external."""
    test, external = (report["splits"].get(name) or {} for name in ("test", "external"))
    elsewhere = dict(_cells(external["sets"])) if external else {}
    rows = [
        (name, shown(found), shown(elsewhere[name]) if elsewhere else "")
        for name, found in _cells(test["sets"])
    ]
    return rows + [
        (_named(group), shown(group["sets"]["coverage"]), "")
        for group in report["subgroups"]
        if group["judged"]
    ]


def bound(report: Report) -> str:
    """From where on an input is unfamiliar, and what happens then."""
    found = report["familiar"]
    share = f"{100 * found['share']:.3g}"
    asked = f"{100 * found['asked']:.3g}"
    fewer = "" if share == asked else f" ({asked} % were asked for; val has too few patients)"
    return (
        "The model measures how far an input lies from its training data, in the features that its "
        f"last layer reads. Farther than {share} % of the validation patients{fewer} it calls "
        "unfamiliar, and warns, or gives no answer where the service is told so."
    )


def flagged(report: Report) -> list[Row]:
    """What share of inputs is called unfamiliar, and the AUROC of distance for foreign ones."""
    found = report["familiar"]
    names = {"test": "test patients", "external": "patients of the held-out site"}
    return [
        *((names[key], shown(found["flagged"][key]), "") for key in names if found["flagged"][key]),
        *((row["change"], shown(row["flagged"]), "") for row in report["robustness"]),
        *((row["change"], shown(row["flagged"]), shown(row["auroc"])) for row in found["foreign"]),
    ]


def turned_away(report: Report) -> list[Row]:
    """Subgroups that are surely called unfamiliar more often than all test patients together."""
    found = report["familiar"]
    usual = found["flagged"]["test"]["high"]
    return [
        (_named(group), shown(group["flagged"]), "")
        for group in found["subgroups"]
        if group["flagged"]["low"] is not None and group["flagged"]["low"] > usual
    ]


def limits(report: Report) -> list[str]:
    """What neither of the two can say."""
    return [
        "The share of truths that sets hold is promised for patients like those of the validation "
        "split, and on average over them, not for each kind of patient: see the groups.",
        "A foreign input may still lie among the training data; the table shows which were noticed "
        "and which were not.",
    ]


def _cells(sets: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every share of truths held, by whose it is."""
    yield "everyone", sets["coverage"]
    for part, of_part in (sets.get("parts") or {"": sets}).items():
        for outcome, found in of_part["outcomes"].items():
            yield f"{part} {outcome}".strip(), found


def _named(group: Mapping[str, Any]) -> str:
    return f"{group['column'].replace('_', ' ')}: {group['value']}"
