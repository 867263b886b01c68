"""A recalibration in words, for card, page and record."""

from __future__ import annotations

import math

from medpipe.outcome import between
from medpipe.recalibration.evidence import Evidence
from medpipe.recalibration.fit import NONE, Correction

_EXAMPLE = 0.1
"""The risk that is shown before and after."""


def sentences(evidence: Evidence) -> list[str]:
    """What was looked at, what was found, and what it means."""
    fitted, judged = evidence.fitted, evidence.judged
    known = fitted.answers + judged.answers + evidence.left_out
    of = f" of {evidence.answered} answers" if evidence.answered is not None else " answers"
    said = [f"The outcome of {known}{of} was known"]
    if evidence.left_out:
        said[0] += (
            f"; {evidence.left_out} from before {fitted.since} were left out, because how many "
            "outcomes there are for the risk changed then"
        )
    said[0] += "."
    if not evidence.after:
        return said
    said.append(line(evidence.correction))
    if evidence.correction == NONE:
        return said
    before, after = (each["observed_expected"] for each in (evidence.before, evidence.after))
    said.append(
        f"On {judged.answers} later answers ({judged.since} to {judged.until}), to which nothing "
        f"was fitted, {after['value']:.2f} ({between(after, digits=2)}) outcomes were seen for "
        f"each expected; without it {before['value']:.2f} ({between(before, digits=2)})."
    )
    said.append(
        f"The threshold stays a risk: {evidence.changed} of these {judged.answers} answers would "
        "be flagged otherwise."
        if evidence.keeps_risk
        else "Whom the model flags, and what it calls possible, stay the same; the threshold has "
        "moved with the risks."
    )
    return said


def line(correction: Correction) -> str:
    """The correction as it changes a risk."""
    if correction == NONE:
        return "The outcomes do not ask for other risks."
    odds = _EXAMPLE / (1 - _EXAMPLE)
    after = math.exp(correction.intercept) * odds**correction.slope
    spread = "" if correction.slope == 1 else f", to the power of {correction.slope:.2f}"
    return (
        f"The odds of each risk are multiplied by {math.exp(correction.intercept):.2f}{spread}: "
        f"{100 * _EXAMPLE:.0f} % becomes {100 * after / (1 + after):.1f} %."
    )


def cause(evidence: Evidence, version: str) -> str:
    """Why the result becomes champion, for the record."""
    return (
        f"version {version} with its risks recalibrated by {evidence.fitted.answers} answers, and "
        f"judged by {evidence.judged.answers} later ones"
    )
