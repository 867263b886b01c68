"""A report's numbers as sentences: people counted in hundreds, the interval in brackets.

References
----------
Gigerenzer et al. 2007, Psychological Science in the Public Interest 8:53–96 (natural frequencies
are understood where percentages of percentages are not).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medpipe.evaluation.calibration import is_extreme

Report = Mapping[str, Any]
_CHANCE = 0.5

NAMES = {
    "auroc": "AUROC",
    "auprc": "AUPRC (average precision)",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "f1": "F1",
    "accuracy": "Accuracy",
    "net_benefit": "Net benefit at the threshold",
    "brier": "Brier score",
    "ece": "Expected calibration error",
    "calibration_slope": "Calibration slope (ideal 1)",
    "calibration_intercept": "Calibration intercept (ideal 0)",
}
"""Each metric as a clinician reads it."""


@dataclass(frozen=True)
class Sentence:
    """One headline: the figure, its interval, and what both mean."""

    name: str
    figure: str
    interval: str
    meaning: str


def headline(report: Report) -> list[Sentence]:
    """What matters most, in words; metrics that are undefined say so."""
    test = report["splits"]["test"]
    metrics, label = test["metrics"], condition(report)
    share = hundredths(test["positives"] / test["examples"]) if test["examples"] else "0"
    said = {
        "auroc": f"Of two {noun(test)}, one with {label} and one without, the model gives the "
        "higher risk to the right one in {figure} of 100 such pairs {interval}.",
        "sensitivity": f"Of 100 {noun(test)} with {label}, {{figure}} are found {{interval}}.",
        "specificity": f"Of 100 {noun(test)} without {label}, {{figure}} are rightly left alone "
        "{interval}.",
        "ppv": f"Of 100 {noun(test)} that the model flags, {{figure}} have {label} {{interval}}, "
        f"where {share} of 100 have it to begin with. Elsewhere this share differs.",
    }
    return [_sentence(name, metrics[name], text) for name, text in said.items()]


def alerts(report: Report) -> list[str]:
    """What a reader must know before any figure; nothing where all is well."""
    auroc = report["splits"]["test"]["metrics"]["auroc"]
    said = {
        "The test split lacks a class or patients, so most figures are undefined.": auroc["low"]
        is None,
        "The AUROC's interval reaches 0.5: here the model cannot be told from chance.": (
            auroc["low"] is not None and auroc["low"] <= _CHANCE
        ),
        "The split receipt is not clean: the model may know patients or images that it was tested "
        "on.": not report["receipt"]["clean"],
        "The data broke a rule of validation.": not report["validation"]["passed"],
        "The temperature lies at the end of its range: the network's logits do not carry a risk.": (
            is_extreme(report["calibration"]["temperature"])
        ),
    }
    return [sentence for sentence, holds in said.items() if holds]


def condition(report: Report) -> str:
    """What is being looked for, from the name of the label column."""
    return str(report["label"]).replace("_", " ")


def noun(split: Mapping[str, Any]) -> str:
    """Patients where each has one example; otherwise the examples are what was counted."""
    return "patients" if split["examples"] == split["groups"] else "examples"


def hundredths(share: float) -> str:
    """A share as people in a hundred; 99.6 is not rounded up to all, nor 0.4 down to none."""
    if 0 < share < 0.01 or 0.99 < share < 1:
        return f"{100 * share:.1f}"
    return f"{100 * share:.0f}"


def shown(found: Mapping[str, Any] | None) -> str:
    """A metric as ``0.934 (0.902–0.957)``, or why it has no value."""
    if found is None or found.get("value") is None:
        return "undefined"
    value = f"{found['value']:.3f}".replace("-", "−")
    return value if found.get("low") is None else f"{value} ({_between(found, digits=3)})"


def calibration(report: Report) -> str:
    """How far risks can be believed."""
    found = report["splits"]["test"]["metrics"]["ece"]
    if found["value"] is None:
        return "Calibration could not be measured."
    points, before = (
        f"{100 * error:.1f}" for error in (found["value"], report["calibration"]["ece_before"])
    )
    reach = ""
    if found["low"] is not None:
        reach = f" ({100 * found['low']:.1f}–{100 * found['high']:.1f})"
    return (
        f"Predicted risks differ from what happened by {points} percentage points on "
        f"average{reach}. Before temperature scaling they differed by {before}."
    )


def rule(report: Report) -> str:
    """How the threshold was chosen."""
    chosen = report["threshold"]
    return {
        "sensitivity": f"the highest that finds {100 * chosen['at']:g} % of the positives of the "
        "validation patients",
        "specificity": f"the lowest that leaves alone {100 * chosen['at']:g} % of the negatives of "
        "the validation patients",
        "youden": "where sensitivity plus specificity is highest on the validation patients",
        "fixed": "set by hand in params.yaml",
    }[chosen["rule"]]


def _sentence(name: str, found: Mapping[str, Any], text: str) -> Sentence:
    if found["value"] is None:
        why = f"Not defined: {found.get('undefined', 'no reason given')}."
        return Sentence(NAMES[name], "–", "", why)
    reach = ""
    if found["low"] is not None:
        reach = f"({hundredths(found['low'])}–{hundredths(found['high'])})"
    meaning = text.format(figure=hundredths(found["value"]), interval=reach).replace(" .", ".")
    figure = f"{found['value']:.3f}" if name == "auroc" else f"{hundredths(found['value'])} %"
    digits = 3 if name == "auroc" else None
    return Sentence(NAMES[name], figure, _between(found, digits=digits), meaning)


def _between(found: Mapping[str, Any], *, digits: int | None) -> str:
    """The interval alone, with `digits` decimals, or in per cent; empty where there is none."""
    low, high = found["low"], found["high"]
    if low is None:
        return ""
    if digits is None:
        return f"{hundredths(low)}–{hundredths(high)} %"
    to = " to " if low < 0 else "–"
    return f"{low:.{digits}f}{to}{high:.{digits}f}".replace("-", "−")
