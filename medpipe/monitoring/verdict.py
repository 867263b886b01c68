"""What all that was measured amounts to, and what to do about it. Pure: it reads nothing.

ok      : nothing has moved, as far as it could be looked at
watch   : something has moved once, or cannot be judged; look again when the next window is over
drifted : a movement stays, or the answers turn out worse than the report promised

What to do follows from what moved, in this order:

look-at-data : facts are no longer stated, or the AUROC fell while the inputs stayed what they were,
               be it at one site. Nothing should be learned from data that are broken, or whose
               outcomes are recorded in another way; a person must look first.
retrain      : the AUROC fell and the inputs have moved; or, before outcomes are known, the
               network's own features of them have (another device, another laboratory).
recalibrate  : outcomes are more, or fewer, than expected, and the AUROC held: prevalence changed.
               More or fewer by the margin of the policy; or by any number beyond chance where the
               Brier score is worse: a model that tells most patients apart gives nearly as many
               risks as there are outcomes, and is wrong of those between.
look-at-data : the mix of patients has moved and nothing else. Risks stay right while only the mix
               changes, so there is nothing to mend until outcomes say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from medpipe.monitoring.movement import Movement
from medpipe.monitoring.performance import Measured
from medpipe.monitoring.policy import MonitorParams
from medpipe.monitoring.windows import ALL, Part

State = Literal["ok", "watch", "drifted"]
Action = Literal["none", "retrain", "recalibrate", "look-at-data"]
INWARD = ("distance", "direction ")
"""How facts begin that the network's own features tell of an input."""
_LISTED = 8
"""Reasons in the verdict; the table beside it has all."""
_SMALL_P = 1e-4
_WORDS = {
    "auroc": "The answers order patients worse: AUROC",
    "observed_expected": "Outcomes are not as many as expected: observed over expected",
    "brier": "The risks are further from what happened: Brier score",
    "estimated_auroc": "If every risk is right, patients are harder to tell apart now: "
    "estimated AUROC",
}


@dataclass(frozen=True)
class Evidence:
    """What was found.

    Parameters
    ----------
    unjudged : why the newest whole window is not judged; empty where it is
    unknown : why performance is not judged; empty where it is
    movements : of all, and of parts
    measured : of answers whose outcome is known; p corrected
    estimated : without outcomes
    release_days : age of the release
    """

    unjudged: str
    unknown: str
    movements: tuple[Movement, ...]
    measured: tuple[Measured, ...]
    estimated: tuple[Measured, ...]
    release_days: float


@dataclass(frozen=True)
class Verdict:
    """The decision, and why, in sentences."""

    state: State
    action: Action
    reasons: tuple[str, ...]


def decide(evidence: Evidence, policy: MonitorParams) -> Verdict:
    """The verdict on `evidence` by `policy`."""
    lasting = sorted(
        (m for m in evidence.movements if m.lasting),
        key=lambda m: (m.whom != ALL, m.p, -abs(m.shift.size)),
    )
    worse = [m for m in evidence.measured if is_worse(m, policy)]
    passing = [m for m in evidence.movements if m.moved and not m.lasting]
    harder = [m for m in evidence.estimated if is_worse(m, policy)]
    off = [m for m in evidence.measured if _is_off(m, worse, policy)]
    reasons = [_outcome_sentence(m) for m in (*worse, *(m for m in off if m not in worse))]
    reasons += [_sentence(m, policy) for m in lasting]
    reasons += [_sentence(m, policy) for m in passing]
    reasons += [_outcome_sentence(m) for m in harder]
    reasons = list(_first(reasons))
    reasons += [said for said in (evidence.unjudged, evidence.unknown) if said]
    if lasting or worse:
        lost = unexplained(evidence.movements, evidence.measured, policy)
        action, why = _cooled(_action(lasting, worse, off, lost), evidence, policy)
        return Verdict("drifted", action, (why, *reasons))
    if passing or harder or evidence.unjudged:
        return Verdict("watch", "none", tuple(reasons))
    quiet = "Nothing that is watched has moved by more than chance and the floors of the policy."
    return Verdict("ok", "none", (quiet, *reasons))


def is_worse(found: Measured, policy: MonitorParams) -> bool:
    """Whether it is both significantly and relevantly worse than promised."""
    return found.worse and found.p <= policy.outcome_alpha


def unexplained(
    movements: Sequence[Movement], measured: Sequence[Measured], policy: MonitorParams
) -> tuple[Part, ...]:
    """Who is ordered worse though what is asked of them has not moved: of all, and of sites.

    What all show follows from a site whose inputs have moved, if there is one. A site whose own
    past is too short to be held against counts where every site is ordered worse: a device changes
    at one place, the meaning of an outcome everywhere.
    """
    judged = [m for m in measured if m.name == "auroc"]
    worse = {m.whom for m in judged if is_worse(m, policy)}
    sites = {m.whom for m in judged if m.whom[0] == "site"}
    moved = {m.whom for m in movements if _explains(m)}
    known = {m.whom for m in movements}
    everywhere = len(sites) > 1 and sites <= worse
    found = [w for w in worse & sites if w not in moved and (w in known or everywhere)]
    whole = [ALL] if ALL in worse and not moved & (worse | {ALL}) else []
    return (*whole, *sorted(found))


def chance(p: float) -> str:
    """A p as it is read: how small a very small one is says nothing more."""
    return f"{p:.1g}" if p >= _SMALL_P else f"< {_SMALL_P:.4f}"


def _explains(found: Movement) -> bool:
    """Whether it is of what was asked, and not only of what was said, or no longer stated."""
    shift = found.shift
    is_asked = shift.part != "score" or shift.fact == "distance"
    return found.moved and shift.kind == "spread" and is_asked


def _is_off(found: Measured, worse: Sequence[Measured], policy: MonitorParams) -> bool:
    """Whether it says that risks are too high or too low, and that this costs something."""
    if found.name != "observed_expected" or found.p > policy.outcome_alpha:
        return False
    costly = {(m.whom, m.question) for m in worse if m.name == "brier"}
    return found.worse or (found.whom, found.question) in costly


def _action(
    lasting: Sequence[Movement],
    worse: Sequence[Measured],
    off: Sequence[Measured],
    lost: Sequence[Part],
) -> tuple[Action, str]:
    unstated = [m for m in lasting if m.shift.kind == "not stated"]
    if unstated:
        names = ", ".join(dict.fromkeys(m.shift.fact for m in unstated))
        return "look-at-data", f"What is stated of {names} has changed: see what sends it."
    if any(m.name == "auroc" for m in worse):
        if lasting and not lost:
            return "retrain", "Inputs have moved, and the model orders patients worse for it."
        return "look-at-data", (
            f"{_whose_all(lost)}The inputs are what they were and the model orders patients worse: "
            "either outcomes are recorded in another way, or the inputs have another meaning. Find "
            "out which before anything is trained on them."
        )
    if off:
        return "recalibrate", (
            "The model orders patients as well as promised and its risks are off: prevalence has "
            "changed."
        )
    if any(m.shift.fact.startswith(INWARD) for m in lasting):
        return "retrain", "To the network itself the inputs look otherwise than the reference."
    if worse:
        return "look-at-data", (
            "The risks are further from what happened, though as many outcomes as expected came: "
            "patients may be harder to tell apart than those of the report."
        )
    return "look-at-data", (
        "The mix of what is asked has moved. If only the mix has, the risks are still right; "
        "outcomes will tell."
    )


def _cooled(
    found: tuple[Action, str], evidence: Evidence, policy: MonitorParams
) -> tuple[Action, str]:
    action, why = found
    if action == "look-at-data" or evidence.release_days >= policy.cooldown_days:
        return action, why
    return "none", (
        f"{why} To {action} waits until the release is {policy.cooldown_days} days old; it is "
        f"{evidence.release_days:.0f}."
    )


def _sentence(found: Movement, policy: MonitorParams) -> str:
    shift = found.shift
    lasts = f"in {found.shown} of the last {policy.among} windows"
    tested = f"p {chance(found.p)} by {shift.test}, {shift.now} answers against {shift.before}"
    if shift.kind == "not stated":
        return (
            f"{_whose(found.whom)}{shift.fact} is not stated in {100 * shift.shown:.0f} %, "
            f"{100 * shift.size:+.0f} points, {lasts} ({tested})."
        )
    return (
        f"{_whose(found.whom)}{shift.fact} has moved, {lasts}: PSI {shift.shown:.2f}, "
        f"{shift.size:.2f} of it beyond chance ({tested})."
    )


def _outcome_sentence(found: Measured) -> str:
    reach = f" ({found.low:.3g} to {found.high:.3g})" if found.low is not None else ""
    of = f"of {found.answers} answers"
    question = f" for {found.question}" if found.question else ""
    return (
        f"{_whose(found.whom)}{_WORDS[found.name]}{question} {found.value:.3g}{reach} {of}, "
        f"{found.promised:.3g} was promised (p {chance(found.p)})."
    )


def _whose(whom: Part) -> str:
    return "" if whom == ALL else f"Of {' '.join(whom)}: "


def _whose_all(whom: Sequence[Part]) -> str:
    """Of which sites, where it is not of all."""
    return "" if ALL in whom or not whom else f"Of {', '.join(map(' '.join, whom))}: "


def _first(reasons: Sequence[str]) -> Iterator[str]:
    yield from reasons[:_LISTED]
    if len(reasons) > _LISTED:
        yield f"And {len(reasons) - _LISTED} more: see the table."
