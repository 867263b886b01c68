"""Whether a retrain stays within the change plan: a pure function of what is known before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any, Literal, get_args

from medpipe.plan.section import Bounds, DataPlan, PlanParams

Reason = Literal["by hand", "schedule", "drift"]
REASONS: tuple[Reason, ...] = get_args(Reason)
BY_HAND: Reason = "by hand"
_SHIFT = timedelta(days=366)
"""Times in raw are moved by up to 365 days, by a number that is the patient's own."""
_NOT_SET = object()


@dataclass(frozen=True)
class DataFacts:
    """What is known of raw before anything is trained on it.

    Parameters
    ----------
    source : its name in params.yaml
    labelled : examples in force that have a label
    earliest, latest : of the times in raw; None where none is known
    parts : how many parts raw had when the model was made; None where that is not known
    doubts : why the data should be looked at before anything is learned from them
    """

    source: str
    labelled: int
    earliest: date | None = None
    latest: date | None = None
    parts: int | None = None
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """Whether a run stays within the plan.

    Parameters
    ----------
    reason : why there is this run
    broken : each line of the plan that it breaks, in words; empty within it
    """

    reason: Reason
    broken: tuple[str, ...]

    @property
    def within(self) -> bool:
        return not self.broken

    @property
    def stops(self) -> bool:
        """Whether the run may not go on: nobody stands behind it who could answer for that."""
        return bool(self.broken) and self.reason != BY_HAND

    def as_json(self) -> dict[str, Any]:
        """`{reason, within, broken}`."""
        found = asdict(self)
        return {**found, "within": self.within, "broken": list(self.broken)}


def examine(
    plan: PlanParams,
    champion: Mapping[str, Any] | None,
    params: Mapping[str, Any],
    facts: DataFacts,
    reason: Reason,
) -> Finding:
    """Hold a retrain against `plan`.

    Parameters
    ----------
    champion : its certificate; None where there is none yet, and nothing to hold parameters against
    params : effective parameters now
    """
    broken = [*_data(plan.data, champion, facts)]
    if champion is not None:
        broken += _params(plan.may_change, champion["params"], params)
    return Finding(reason, tuple(broken))


def examine_correction(
    plan: PlanParams, correction: Mapping[str, float], reason: Reason
) -> Finding:
    """Hold a recalibration against `plan`.

    Parameters
    ----------
    correction : its intercept and slope
    """
    limits = {"intercept": plan.recalibrate.intercept, "slope": plan.recalibrate.slope}
    broken = [
        f"plan.recalibrate.{name}: {name} is {correction[name]:.3g}; {limit}"
        for name, bounds in limits.items()
        if (limit := _beyond(bounds, correction[name])) is not None
    ]
    return Finding(reason, tuple(broken))


def occasions(
    plan: PlanParams, finding: Finding, *, is_first: bool = False, recalibrates: bool = False
) -> tuple[str, ...]:
    """Why a person must approve what the gate allows, in words; none where nobody must."""
    causes = {
        "first": (is_first, "It would be the first champion"),
        "outside": (not finding.within, f"It is outside the plan: {'; '.join(finding.broken)}"),
        "drift": (
            finding.reason == "drift",
            f"It was {'recalibrated' if recalibrates else 'trained'} because of drift",
        ),
        "recalibration": (recalibrates, "Its risks were recalibrated"),
        "always": (True, "The plan wants every model approved"),
    }
    return tuple(why for occasion in plan.approve for (is_so, why) in [causes[occasion]] if is_so)


def leaves(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted name → value; a list is a value."""
    found: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, Mapping) and value:
            found |= leaves(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _params(
    may_change: Mapping[str, Bounds], champion: Mapping[str, Any], params: Mapping[str, Any]
) -> Iterator[str]:
    """Sections but `source`, of which `data` speaks."""
    then, now = leaves(champion), leaves(params)
    for name in sorted({*then, *now}):
        before, after = then.get(name, _NOT_SET), now.get(name, _NOT_SET)
        if before == after or name.split(".")[0] == "source":
            continue
        change = f"{name} is {_said(after)}, the champion's is {_said(before)}"
        if name not in may_change:
            yield f"plan.may_change: {change}; it is not among what may change"
        elif (limit := _beyond(may_change[name], after)) is not None:
            yield f"plan.may_change.{name}: {change}; {limit}"


def _beyond(bounds: Bounds, value: Any) -> str | None:
    """The limit that `value` breaks, in words; None where it breaks none."""
    if bounds.choices is not None:
        # True == 1 in Python, and is another thing in a file of parameters.
        same = any(value == each and type(value) is type(each) for each in bounds.choices)
        return None if same else f"choices are {', '.join(map(str, bounds.choices))}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "low and high are of numbers"
    if bounds.low is not None and value < bounds.low:
        return f"low is {bounds.low:g}"
    if bounds.high is not None and value > bounds.high:
        return f"high is {bounds.high:g}"
    return None


def _data(plan: DataPlan, champion: Mapping[str, Any] | None, facts: DataFacts) -> Iterator[str]:
    then: Mapping[str, Any] = {"source": facts.source, "labelled": 0}
    if champion is not None:
        then = champion["data"]
    allowed = plan.sources or [then["source"]]
    if facts.source not in allowed:
        yield f"plan.data.sources: {facts.source} is not among {', '.join(allowed)}"
    new = facts.labelled - then["labelled"]
    if new < plan.new_least:
        yield f"plan.data.new_least: {new} new labelled examples, at least {plan.new_least} asked"
    if champion is not None and plan.new_most is not None and new > plan.new_most:
        yield f"plan.data.new_most: {new} new labelled examples, at most {plan.new_most} allowed"
    if plan.since and facts.earliest and facts.earliest < date.fromisoformat(plan.since) - _SHIFT:
        yield f"plan.data.since: an example is from before {plan.since}"
    if plan.until and facts.latest and facts.latest > date.fromisoformat(plan.until) + _SHIFT:
        yield f"plan.data.until: an example is from after {plan.until}"
    if not plan.doubted:
        yield from (f"plan.data.doubted: {doubt}" for doubt in facts.doubts)


def _said(value: Any) -> str:
    return "not set" if value is _NOT_SET else str(value)
