"""A report on several labels in words: people counted in hundreds, the interval in brackets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medpipe.evaluation.calibration import BINS, is_extreme
from medpipe.evaluation.measures.contract import Better, Sentence
from medpipe.evaluation.words import noun, sentence, shown

Report = Mapping[str, Any]
_CHANCE = 0.5

BETTER: dict[str, Better] = {
    "auroc": "higher",
    "auprc": "higher",
    "sensitivity": "higher",
    "specificity": "higher",
    "ppv": "higher",
    "f1": "higher",
    "brier": "lower",
    "ece": "lower",
}
NAMES = {
    "auroc": "AUROC (mean of the labels)",
    "auprc": "AUPRC (mean of the labels)",
    "sensitivity": "Sensitivity (mean of the labels)",
    "specificity": "Specificity (mean of the labels)",
    "ppv": "Positive predictive value (mean of the labels)",
    "f1": "F1 (mean of the labels)",
    "brier": "Brier score (mean of the labels)",
    "ece": "Expected calibration error (mean of the labels)",
}
PART_NAMES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "Positive predictive value",
    "ece": "Expected calibration error",
}
METHODS = {
    "auroc": "mean over labels of DeLong's variance clustered by patient (Obuchowski 1997), with "
    "the covariance between labels, logit scale",
    "auprc, brier and figures at thresholds": "percentile bootstrap of patients",
    "ece": f"equal-mass error over {BINS} bins; basic bootstrap of patients",
    "single labels": "as for a yes-or-no question, on the examples where the label is known",
}


def headline(report: Report) -> list[Sentence]:
    """What matters most, in words; metrics that are undefined say so."""
    test = report["splits"]["test"]
    what = noun(test)
    said = {
        "auroc": f"Of two {what}, one with a label and one without, the model gives the higher "
        "risk to the right one in {figure} of 100 such pairs {interval}.",
        "sensitivity": f"Of 100 {what} with a label, {{figure}} are found {{interval}}.",
        "specificity": f"Of 100 {what} without a label, {{figure}} are rightly left alone "
        "{interval}.",
        "ppv": f"Of 100 {what} that are flagged for a label, {{figure}} have it {{interval}}.",
    }
    return [
        sentence(NAMES[name], test["metrics"][name], text, digits=3 if name == "auroc" else None)
        for name, text in said.items()
    ]


def lead(report: Report) -> str:
    """Where the model flags."""
    parts = report["splits"]["test"]["parts"].items()
    each = ", ".join(f"{name} from {100 * part['threshold']:.3g} %" for name, part in parts)
    return f"Each label is flagged from a risk of its own, chosen on val: {each}."


def believed(report: Report) -> str:
    """How far risks can be believed."""
    found = report["splits"]["test"]["metrics"]["ece"]
    if found["value"] is None:
        return "Calibration could not be measured."
    return (
        f"Predicted risks differ from what happened by {shown(found)} on average over the labels; "
        f"before temperature scaling by {report['calibration']['ece_before']:.3f}."
    )


def alerts(report: Report) -> list[str]:
    """What makes the figures doubtful; nothing where all is well."""
    test = report["splits"]["test"]
    chance = [
        name
        for name, part in test["parts"].items()
        if part["metrics"]["auroc"]["low"] is not None
        and part["metrics"]["auroc"]["low"] <= _CHANCE
    ]
    said = {
        "A label lacks a class or patients in the test split, so most figures are undefined.": (
            test["metrics"]["auroc"]["low"] is None
        ),
        f"The AUROC's interval reaches 0.5 for {', '.join(chance)}: these cannot be told from "
        "chance.": bool(chance),
        "A temperature lies at the end of its range: the logits of its label carry no risk.": any(
            map(is_extreme, report["operating_point"]["temperatures"])
        ),
    }
    return [sentence for sentence, holds in said.items() if holds]


def limits(report: Report) -> list[str]:
    """What a report on several labels cannot say."""
    return [
        "Predictive values depend on how common each label is; elsewhere they differ.",
        "A label counts only where it is known; those for whom it was never asked may differ.",
    ]
