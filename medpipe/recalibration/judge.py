"""Whether a correction may be released: a pure function of evidence and policy.

The closed test has said on the earlier answers that something must be done, with its error held to
5 %; here the later ones, of which there are half as many, say whether it helps. Asked to be
significant once more, they would refuse two of three corrections for a doubled prevalence that 400
outcomes ask for; asked to be better, one of five. Where nothing has changed both let hardly any
through: 0 and 1 of 40.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from medpipe.gate import Check
from medpipe.plan.section import RecalibrationPlan
from medpipe.recalibration.evidence import Evidence
from medpipe.recalibration.fit import ALPHA

_SAME = 1e-9
"""Of two AUROCs of one order of patients."""


def checks(evidence: Evidence, policy: RecalibrationPlan) -> list[Check]:
    """How `evidence` meets each demand; where answers are too few, that is all there is to say."""
    enough = _enough(evidence, policy)
    if not enough.passed:
        return [enough]
    needed = _needed(evidence)
    return [enough, needed, *(_measured(evidence, policy) if needed.passed else ())]


def _enough(evidence: Evidence, policy: RecalibrationPlan) -> Check:
    fewest = min(evidence.fitted.rarer, evidence.judged.rarer)
    parts = " and ".join(
        f"{part.cases} of {part.answers} answers had the outcome ({part.since or 'none'} to "
        f"{part.until or 'none'})"
        for part in (evidence.fitted, evidence.judged)
    )
    why = (
        f"To fit on and to judge by, {parts}; of those with and without it, {policy.cases_least} "
        "each are needed in each"
    )
    return Check("outcomes", fewest >= policy.cases_least, fewest, policy.cases_least, why)


def _needed(evidence: Evidence) -> Check:
    passed = evidence.p_any <= ALPHA
    why = (
        f"The earlier outcomes {'ask' if passed else 'do not ask'} for other risks: were they "
        f"right, outcomes so far from them would be seen with probability {evidence.p_any:.2g}"
    )
    return Check("correction needed", passed, evidence.p_any, ALPHA, why)


def _measured(evidence: Evidence, policy: RecalibrationPlan) -> Iterator[Check]:
    yield _observed(evidence, policy)
    yield _slope(evidence)
    yield from _losses(evidence)
    yield from _order(evidence)
    yield _decisions(evidence)


def _observed(evidence: Evidence, policy: RecalibrationPlan) -> Check:
    before, after = (each["observed_expected"] for each in (evidence.before, evidence.after))
    off = [abs(math.log(each["value"])) for each in (before, after)]
    is_nearer = off[1] < off[0] or after["low"] <= 1 <= after["high"]
    passed = off[1] <= math.log1p(policy.observed_margin) and is_nearer
    why = (
        f"On later answers {after['value']:.2f} outcomes are seen for each expected "
        f"({after['low']:.2f} to {after['high']:.2f}), uncorrected {before['value']:.2f}; allowed "
        f"is a factor of {1 + policy.observed_margin:g}, and it must reach 1, or come nearer to it"
    )
    limit = 1 + policy.observed_margin
    return Check("observed over expected", passed, after["value"], limit, why)


def _slope(evidence: Evidence) -> Check:
    before, after = (each["calibration_slope"] for each in (evidence.before, evidence.after))
    if after["value"] is None or before["value"] is None:
        why = f"The calibration slope is undefined: {after.get('undefined', 'classes apart')}"
        return Check("calibration slope", False, None, 1.0, why)
    off = [abs(each["value"] - 1) for each in (before, after)]
    passed = after["low"] <= 1 <= after["high"] or off[1] <= off[0] + _SAME
    why = (
        f"The calibration slope on later answers is {after['value']:.2f} ({after['low']:.2f} to "
        f"{after['high']:.2f}), uncorrected {before['value']:.2f}; it must reach 1, or come no "
        "further from it"
    )
    return Check("calibration slope", passed, after["value"], 1.0, why)


def _losses(evidence: Evidence) -> Iterator[Check]:
    for name, called in (("log_loss", "Log loss"), ("brier", "The Brier score")):
        found = evidence.gain[name]
        why = (
            f"{called} on later answers changes by {found['value']:+.4f} ({found['low']:+.4f} to "
            f"{found['high']:+.4f}); it must fall"
        )
        yield Check(name.replace("_", " "), found["value"] < 0, found["value"], 0.0, why)


def _order(evidence: Evidence) -> Iterator[Check]:
    before, after = (each["auroc"] for each in (evidence.before, evidence.after))
    same = abs(before["value"] - after["value"]) <= _SAME
    why = f"The order of patients is {'the same' if same else 'another'}: the line rises"
    yield Check("order of patients", same, after["value"], before["value"], why)
    low = evidence.promised.get("low")
    reached = low is None or after["high"] >= low
    why = (
        f"The AUROC on later answers is {after['value']:.3f} ({after['low']:.3f} to "
        f"{after['high']:.3f}); the report promised {'nothing' if low is None else f'{low:.3f}'} "
        "at least. Where patients are told apart worse, another calibration mends nothing"
    )
    yield Check("auroc held", reached, after["high"], low, why)


def _decisions(evidence: Evidence) -> Check:
    changed, judged = evidence.changed, evidence.judged.answers
    why = f"{changed} of {judged} later answers would be flagged otherwise"
    if evidence.keeps_risk:
        why += "; the threshold was set as a risk, and stays one"
    else:
        why += "; the threshold moves with the risks, so none may be"
    return Check("decisions", changed == 0 or evidence.keeps_risk, changed, 0, why)
