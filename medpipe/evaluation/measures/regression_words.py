"""A report on a quantity in words: errors in its unit, the interval in brackets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medpipe.evaluation.measures.contract import Better, Sentence
from medpipe.evaluation.words import condition, noun, sentence, shown

Report = Mapping[str, Any]

BETTER: dict[str, Better] = {
    "r2": "higher",
    "mae": "lower",
    "rmse": "lower",
    "spearman": "higher",
    "coverage": "higher",
    "calibration_slope": "one",
    "calibration_intercept": "zero",
}
NAMES = {
    "r2": "R² (share of the variance explained)",
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
    "spearman": "Rank correlation (Spearman)",
    "coverage": "Ranges that hold the truth",
    "calibration_slope": "Calibration slope (ideal 1)",
    "calibration_intercept": "Mean error, truth less answer (ideal 0)",
}
METHODS = {
    "r2, mae, rmse, spearman, calibration": "percentile bootstrap of patients",
    "coverage": "every patient counting the same; Wilson's score interval on the effective number",
    "subgroups": "R² with the variance of all test examples, so that a subgroup of little variance "
    "is not called worse for it",
}


def headline(report: Report) -> list[Sentence]:
    """What matters most, in words; metrics that are undefined say so."""
    test, interval = report["splits"]["test"], report["interval"]
    found, unit = test["metrics"], f" {interval['unit']}"
    width = f"{interval['half_width']:.3g}{unit}".strip()
    said = {
        "r2": "Of 100 parts of the differences between them, {figure} are explained {interval}.",
        "coverage": f"Of 100 {noun(test)}, {{figure}} lie within {width} of the answer "
        "{interval}.",
    }
    shares = [
        sentence(NAMES[name], found[name], text, digits=3 if name == "r2" else None)
        for name, text in said.items()
    ]
    quantities = [
        sentence(NAMES["mae"], found["mae"], "On average the answer is off by {figure} {interval}.",
                 digits=3, unit=unit),
        sentence(NAMES["spearman"], found["spearman"],
                 "Answers and truth put the examples in one order to this degree {interval}; 1 is "
                 "the same order, 0 none.", digits=3, unit=" "),
    ]  # fmt: skip
    return [shares[0], quantities[0], shares[1], quantities[1]]


def lead(report: Report) -> str:
    """What an answer is, and its range."""
    interval = report["interval"]
    return (
        f"The answer is {condition(report)}, with a range of ± {interval['half_width']:.3g} "
        f"{interval['unit']} that is to hold the truth in {100 * interval['coverage']:g} of 100."
    ).replace("  ", " ")


def believed(report: Report) -> str:
    """How far answers can be believed, at every height and with their range."""
    found = report["splits"]["test"]["metrics"]
    return (
        f"Where the answer rises by 1, the truth rises by {shown(found['calibration_slope'])}; on "
        f"average it lies {shown(found['calibration_intercept'])} above the answer. The range "
        f"promised {100 * report['interval']['coverage']:g} % and held {shown(found['coverage'])}."
    )


def alerts(report: Report) -> list[str]:
    """What makes the figures doubtful; nothing where all is well."""
    r2 = report["splits"]["test"]["metrics"]["r2"]
    said = {
        "The test split lacks patients or differences, so most figures are undefined.": r2["low"]
        is None,
        "R² may be 0: here the model cannot be told from the mean of all patients.": (
            r2["low"] is not None and r2["low"] <= 0
        ),
    }
    return [sentence for sentence, holds in said.items() if holds]


def limits(report: Report) -> list[str]:
    """What a report on a quantity cannot say."""
    return [
        "Every answer has the same range, the width that val needed on average: for patients who "
        "are harder to judge it holds less often."
    ]
