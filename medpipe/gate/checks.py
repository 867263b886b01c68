"""The checks, one demand of the policy each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from medpipe.gate.reading import (
    Report,
    at,
    direction,
    finite,
    main_metric,
    named,
    number,
    numbers,
    shown,
    spoken,
    undefined,
)
from medpipe.gate.verdict import Check, Policy, Verdict, verdict


def decide(
    candidate: Report,
    champion: Report | None,
    policy: Policy,
    comparison: Mapping[str, Any] | None,
    newest: Mapping[str, Any] | None = None,
) -> Verdict:
    """The verdict on `candidate`.

    What is missing or undefined fails its check with the reason; nothing here raises.

    Parameters
    ----------
    candidate : report of the model that wants to be served
    champion : report of the served model on the same test examples; None where there is none yet
    policy : section `gate` of params.yaml
    comparison : `{metric: {difference, low, high}}`, candidate − champion, paired by patient
    newest : {examples, undefined, metrics} of the candidate on those test examples alone that came
        in after the champion was made; None where that is not known
    """
    return verdict([*_checks(candidate, champion, policy, comparison), *_newest(newest, policy)])


def _checks(
    candidate: Report,
    champion: Report | None,
    policy: Policy,
    comparison: Mapping[str, Any] | None,
) -> Iterator[Check]:
    yield _receipt(candidate, policy)
    if policy.validated:
        yield _validation(candidate)
    for metric, floor in policy.floors.items():
        yield _floor(candidate, "test", metric, floor)
    for metric, ceiling in policy.ceilings.items():
        yield _upper(candidate, metric, ceiling)
    for metric, floor in policy.external_floors.items():
        yield _floor(candidate, "external", metric, floor)
    if champion is None:
        yield Check(
            "champion", True, None, None, "There is no champion yet: floors and ceilings decide"
        )
    else:
        for metric, margin in policy.margins.items():
            yield _margin(candidate, comparison, metric, margin)
    yield from _baseline(candidate, policy.baseline_margin)
    yield from _subgroups(candidate, policy.subgroup_gap)
    yield _point(candidate)
    if policy.coverage_margin is not None:
        yield from _coverage(candidate, policy.coverage_margin)
    if direction(candidate, "ece") is not None:
        yield _upper(candidate, "ece", policy.ece_max)
    main = main_metric(candidate)
    yield _ceiling(
        f"parity {main}",
        f"{named(main)} lost by the artefact against its network",
        at(candidate, "parity", f"{main}_lost"),
        policy.parity_auroc,
    )
    yield _ceiling(
        "parity probability",
        "Difference of the answers of the artefact from its network (95th percentile)",
        at(candidate, "parity", "probability_p95"),
        policy.parity_probability,
    )
    yield _ceiling(
        "latency",
        "Latency in ms (95th percentile)",
        at(candidate, "latency_ms", "p95"),
        policy.latency_p95_ms,
    )


def _receipt(candidate: Report, policy: Policy) -> Check:
    receipt = at(candidate, "receipt") or {}
    name = "receipt"
    if not receipt.get("digest"):
        return Check(
            name, False, None, None, "The split has no receipt; run preprocess and evaluate again"
        )
    if receipt.get("clean") is True:
        return Check(name, True, None, None, "No patient and no near-duplicate crosses the splits")
    problems = "; ".join(str(problem) for problem in receipt.get("problems") or ["no reason given"])
    if policy.clean_receipt:
        return Check(name, False, None, None, f"The receipt of the split is not clean: {problems}")
    return Check(
        name, True, None, None, f"The receipt is not clean, which the policy allows: {problems}"
    )


def _validation(candidate: Report) -> Check:
    validation = at(candidate, "validation") or {}
    if validation.get("passed") is True:
        return Check("validation", True, None, None, "The raw data fulfil every rule")
    failed = ", ".join(str(rule) for rule in validation.get("failed") or [])
    why = f"The raw data break {failed}" if failed else "The report names no passed validation"
    return Check("validation", False, None, None, f"{why}; see the page that validate wrote")


def _floor(candidate: Report, split: str, metric: str, floor: float) -> Check:
    name = metric if split == "test" else f"{split} {metric}"
    label = named(metric) if split == "test" else f"{named(metric)} on the {split} split"
    if (refused := _no_limit(candidate, metric, "higher", "floor")) is not None:
        return Check(name, False, None, floor, refused)
    measured = at(candidate, "splits", split, "metrics", metric)
    low = number(measured, "low")
    if low is None:
        return Check(name, False, None, floor, undefined(label, measured))
    passed = low >= floor
    relation = "at least" if passed else "below"
    why = f"{label}'s lower bound {shown(low, floor)} is {relation} {floor:g}"
    return Check(name, passed, low, floor, why)


def _newest(newest: Mapping[str, Any] | None, policy: Policy) -> Iterator[Check]:
    """A floor that the upper bound misses is missed for certain: there may be few of them."""
    if newest is None:
        return
    whom = f"the {newest['examples']} test examples that came in after the champion"
    for metric, floor in policy.floors.items():
        name, high = f"{metric} of the newest", number(newest, "metrics", metric, "high")
        if high is None:
            why = f"{whom[0].upper()}{whom[1:]} are too few to be judged alone"
            yield Check(name, True, None, floor, why)
            continue
        passed = high >= floor
        why = f"{named(metric)} of {whom} has the upper bound {shown(high, floor)}, "
        why += f"at least {floor:g}" if passed else f"below {floor:g}: are their labels right?"
        yield Check(name, passed, high, floor, why)


def _upper(candidate: Report, metric: str, ceiling: float) -> Check:
    """A metric of test that is better when lower, by its upper bound."""
    if (refused := _no_limit(candidate, metric, "lower", "ceiling")) is not None:
        return Check(metric, False, None, ceiling, refused)
    measured = at(candidate, "splits", "test", "metrics", metric)
    high = {**measured, "value": measured.get("high")} if isinstance(measured, Mapping) else None
    return _ceiling(metric, f"{named(metric)} (upper bound)", high, ceiling)


def _no_limit(candidate: Report, metric: str, wanted: str, kind: str) -> str | None:
    """Why a floor or ceiling says nothing of `metric`; None where it does."""
    better = direction(candidate, metric)
    if better == wanted:
        return None
    if better is None:
        known = ", ".join(at(candidate, "objective", "better") or {}) or "none"
        return f"{metric} is not measured here; take its {kind} out of the policy. Known: {known}"
    return f"{named(metric)} is not better when {wanted}; take its {kind} out of the policy"


def _margin(
    candidate: Report, comparison: Mapping[str, Any] | None, metric: str, margin: float
) -> Check:
    name, label = f"{metric} against the champion", named(metric)
    better = direction(candidate, metric)
    if better not in ("higher", "lower"):
        why = f"{label} is neither better higher nor lower; take its margin out of the policy"
        return Check(name, False, None, margin, why)
    paired = at(comparison, metric)
    side, sign = ("high", 1) if better == "lower" else ("low", -1)
    worst = number(paired, side)
    if worst is None:
        why = undefined(f"{label}'s difference from the champion", paired)
        return Check(name, False, None, margin, why)
    passed = sign * worst < margin
    relation = ("" if passed else "not ") + ("below" if sign > 0 else "above")
    bound = "upper" if sign > 0 else "lower"
    why = (
        f"{label}'s difference from the champion has the {bound} bound {worst:+.4g}, "
        f"{relation} the margin's {sign * margin:+g}"
    )
    return Check(name, passed, worst, margin, why)


def _baseline(candidate: Report, margin: float | None) -> Iterator[Check]:
    """Nothing where no baseline was asked for, or the workload has no features for one."""
    found = at(candidate, "baseline")
    if margin is None or found is None:
        return
    metric = main_metric(candidate)
    name, label = f"{metric} against the baseline", named(metric)
    paired = at(found, "difference", metric)
    side, sign = ("high", -1) if direction(candidate, metric) == "lower" else ("low", 1)
    worst = number(paired, side)
    if worst is None:
        why = undefined(f"{label}'s difference from gradient boosting", paired)
        yield Check(name, False, None, margin, why)
        return
    passed = sign * worst >= -margin
    bound, within = ("upper", "at most") if sign < 0 else ("lower", "at least")
    beyond = "above" if sign < 0 else "below"
    why = (
        f"{label}'s difference from gradient boosting on the same patients has the {bound} bound "
        f"{worst:+.4g}, {within if passed else beyond} the margin's {-sign * margin:+g}"
    )
    yield Check(name, passed, worst, margin, why)


def _subgroups(candidate: Report, limit: float) -> Iterator[Check]:
    judged = [group for group in candidate.get("subgroups") or [] if group.get("judged")]
    if not judged:
        yield Check("subgroups", True, None, limit, "No subgroup has enough examples to be judged")
    main = main_metric(candidate)
    for group in judged:
        where = f"{group.get('column')} = {group.get('value')}"
        gap = at(group, "gap", main)
        yield _ceiling(
            f"subgroup {where}",
            f"{named(main)} gap of {where} to the whole (upper bound)",
            gap if not isinstance(gap, Mapping) else {**gap, "value": gap.get("high")},
            limit,
        )


def _coverage(candidate: Report, margin: float) -> Iterator[Check]:
    """What is called possible must hold the truth as often as promised, for each class, too."""
    promised = finite(at(candidate, "operating_point", "coverage"))
    sets = at(candidate, "splits", "test", "sets") or {}
    measured = {"coverage": sets.get("coverage")}
    for part, of_part in (sets.get("parts") or {"": sets}).items():
        for outcome, found in (of_part.get("outcomes") or {}).items():
            measured[" ".join(filter(None, ("coverage of", part, outcome)))] = found
    for name, found in measured.items():
        high, limit = number(found, "high"), round((promised or 0) - margin, 12)
        if promised is None or high is None:
            yield Check(name, False, None, None, undefined(f"The {name}", found))
            continue
        passed = high >= limit
        yield Check(
            name,
            passed,
            high,
            limit,
            f"The {name} has the upper bound {shown(high, limit)}, "
            f"{'at least' if passed else 'below'} {limit:.4g}: {promised:g} was promised",
        )


def _point(candidate: Report) -> Check:
    """Without an operating point the service could not answer; each part of it is a number."""
    point = at(candidate, "operating_point")
    unknown = [name for name, value in (point or {}).items() if not numbers(value)]
    if not point or unknown:
        why = f"The operating point is undefined: {', '.join(unknown) or 'none in the report'}"
        return Check("operating point", False, None, None, why)
    said = ", ".join(f"{name} {spoken(value)}" for name, value in point.items())
    return Check("operating point", True, None, None, f"The operating point is {said}")


def _ceiling(name: str, label: str, measured: Any, limit: float) -> Check:
    """A number, or a mapping with `value`, that may be at most `limit`."""
    value = number(measured, "value") if isinstance(measured, Mapping) else finite(measured)
    if value is None:
        return Check(name, False, None, limit, undefined(label, measured))
    passed = value <= limit
    relation = "within" if passed else "more than"
    why = f"{label} is {shown(value, limit)}, {relation} {limit:g}"
    return Check(name, passed, value, limit, why)
