"""A report on several classes in words: people counted in hundreds, the interval in brackets."""

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
    "balanced_accuracy": "higher",
    "f1": "higher",
    "accuracy": "higher",
    "brier": "lower",
    "ece": "lower",
}
NAMES = {
    "auroc": "AUROC (mean of the classes)",
    "auprc": "AUPRC (mean of the classes)",
    "balanced_accuracy": "Balanced accuracy (mean sensitivity of the classes)",
    "f1": "F1 (mean of the classes)",
    "accuracy": "Accuracy",
    "brier": "Brier score (0 to 2)",
    "ece": "Expected calibration error of the called class",
}
PART_NAMES = {
    "auroc": "AUROC",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "Positive predictive value",
}
METHODS = {
    "auroc": "mean over classes of DeLong's variance clustered by patient (Obuchowski 1997), with "
    "the covariance between classes, logit scale",
    "proportions": "Wilson's score interval on the effective number of examples",
    "auprc, balanced_accuracy, f1, brier": "percentile bootstrap of patients",
    "ece": f"equal-mass error over {BINS} bins; basic bootstrap of patients",
}


def headline(report: Report) -> list[Sentence]:
    """What matters most, in words; metrics that are undefined say so."""
    test = report["splits"]["test"]
    what = noun(test)
    said = {
        "auroc": f"Of two {what}, one of a class and one not, the model gives the class the higher "
        "probability for the right one in {figure} of 100 such pairs {interval}.",
        "balanced_accuracy": f"Of 100 {what} of a class, {{figure}} are called it {{interval}}, "
        "every class counting alike.",
        "accuracy": f"Of 100 {what} as they come, {{figure}} are called rightly {{interval}}.",
        "f1": "Sensitivity and predictive value in one figure, every class counting alike.",
    }
    return [
        sentence(NAMES[name], test["metrics"][name], text, digits=3 if name == "auroc" else None)
        for name, text in said.items()
    ]


def lead(report: Report) -> str:
    """What an answer is."""
    names = ", ".join(report["splits"]["test"]["parts"])
    return f"The answer is the most probable class of: {names}."


def believed(report: Report) -> str:
    """How far probabilities can be believed."""
    found = report["splits"]["test"]["metrics"]["ece"]
    if found["value"] is None:
        return "Calibration could not be measured."
    return (
        "The probability of the called class differs from how often it is right by "
        f"{shown(found)} on average; before temperature scaling by "
        f"{report['calibration']['ece_before']:.3f}."
    )


def alerts(report: Report) -> list[str]:
    """What makes the figures doubtful; nothing where all is well."""
    test = report["splits"]["test"]
    low = test["metrics"]["auroc"]["low"]
    chance = [
        name
        for name, part in test["parts"].items()
        if part["metrics"]["auroc"]["low"] is not None
        and part["metrics"]["auroc"]["low"] <= _CHANCE
    ]
    said = {
        "The test split lacks a class or patients, so most figures are undefined.": low is None,
        f"The AUROC's interval reaches 0.5 for {', '.join(chance)}: these cannot be told from "
        "chance.": bool(chance),
        "The temperature lies at the end of its range: the logits carry no probability.": (
            is_extreme(report["calibration"]["temperature"])
        ),
    }
    return [sentence for sentence, holds in said.items() if holds]


def limits(report: Report) -> list[str]:
    """What a report on several classes cannot say."""
    return [
        "Predictive values depend on how common each class is; elsewhere they differ.",
        "An example of none of these classes is called one of them all the same.",
    ]
