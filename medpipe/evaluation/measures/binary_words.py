"""A yes-or-no report in words: people counted in hundreds, the interval in brackets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medpipe.evaluation.calibration import is_extreme
from medpipe.evaluation.measures.contract import Sentence
from medpipe.evaluation.words import condition, hundredths, noun, sentence

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
    "min_se_ppv": "Lower of sensitivity and PPV",
    "accuracy": "Accuracy",
    "net_benefit": "Net benefit at the threshold",
    "brier": "Brier score",
    "ece": "Expected calibration error",
    "calibration_slope": "Calibration slope (ideal 1)",
    "calibration_intercept": "Calibration intercept (ideal 0)",
}
"""Each metric as a clinician reads it."""


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
        "ppv": f"Of 100 {noun(test)} that the model flags, {{figure}} are with {label} "
        f"{{interval}}, where {share} of 100 are to begin with. Elsewhere this share differs.",
    }
    return [
        sentence(NAMES[name], metrics[name], text, digits=3 if name == "auroc" else None)
        for name, text in said.items()
    ]


def alerts(report: Report) -> list[str]:
    """What makes the figures doubtful; nothing where all is well."""
    low = report["splits"]["test"]["metrics"]["auroc"]["low"]
    said = {
        "The test split lacks a class or patients, so most figures are undefined.": low is None,
        "The AUROC's interval reaches 0.5: here the model cannot be told from chance.": (
            low is not None and low <= _CHANCE
        ),
        "The temperature lies at the end of its range: the network's logits do not carry a risk.": (
            is_extreme(report["calibration"]["temperature"])
        ),
    }
    return [sentence for sentence, holds in said.items() if holds]


def lead(report: Report) -> str:
    """Where the model flags, and why there."""
    risk = f"{100 * report['threshold']['value']:.3g}"
    return f"At a risk of {risk} % and above the model flags; that threshold is {rule(report)}."


def believed(report: Report) -> str:
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


def limits(report: Report) -> list[str]:
    """What a yes-or-no report cannot say."""
    test, label = report["splits"]["test"], condition(report)
    return [
        f"Predictive values depend on how common {label} is: "
        f"{hundredths(test['positives'] / test['examples'])} of 100 test examples have it. Where "
        "it is rarer, more of the flagged are false alarms."
    ]
