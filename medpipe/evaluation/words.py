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
    "min_se_ppv": "Lower of sensitivity and PPV",
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
        **_lost_to_baseline(report),
    }
    return [sentence for sentence, holds in said.items() if holds]


def _lost_to_baseline(report: Report) -> dict[str, bool]:
    found = report["baseline"]
    differences = found["difference"].values() if found else []
    lost = [d for d in differences if d["difference"] is not None and d["difference"] < 0]
    sure = any(d["high"] is not None and d["high"] < 0 for d in lost)
    return {
        "Gradient boosting, a far simpler model, does better on these patients.": sure,
        "Gradient boosting, a far simpler model, does no worse on these patients.": bool(lost)
        and not sure,
    }


def baseline(report: Report) -> str:
    """How the network does beside gradient boosting; empty where there is none."""
    found = report["baseline"]
    if not found:
        return ""
    (metric, paired), *_ = found["difference"].items()
    said = f"Gradient boosting on the same patients: {shown(found['metrics'][metric])}."
    if paired["difference"] is None:
        return f"{said} The two cannot be compared: {paired.get('undefined', 'no reason given')}."
    difference = {**paired, "value": abs(paired["difference"])}
    if paired["difference"] < 0:
        low, high = (None if paired[b] is None else -paired[b] for b in ("high", "low"))
        difference |= {"low": low, "high": high}
    side = "lower" if paired["difference"] < 0 else "higher"
    return f"{said} The network is {side} by {shown(difference)} on the same examples."


def left_out(report: Report) -> list[tuple[str, int]]:
    """Why examples of raw are on no side of the split, and how many, the most frequent first."""
    spoken = {
        "without_label": "no label is known",
        "copy_on_another_side": "the same content stands under another patient on another side",
    }
    counts = report["receipt"]["left_out"].items()
    found = [(spoken.get(reason, reason), count) for reason, count in counts if count]
    return sorted(found, key=lambda each: -each[1])


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
