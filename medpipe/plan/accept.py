"""What an automatic retrain must reach: the gate's policy, and what the plan asks beyond it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from medpipe.plan.section import AcceptPlan

if TYPE_CHECKING:
    from medpipe.sections import GateParams

_STRICTER = {
    **dict.fromkeys(("floors", "external_floors"), max),
    **dict.fromkeys(("ceilings", "margins"), min),
}
"""Of two limits of a metric, the one that asks more."""


def tightened(gate: GateParams, accept: AcceptPlan) -> GateParams:
    """`gate` with the limits of `accept` laid over it."""
    changes: dict[str, Any] = {
        name: {**getattr(gate, name), **getattr(accept, name)} for name in _STRICTER
    }
    for name in ("subgroup_gap", "ece_max"):
        if (limit := getattr(accept, name)) is not None:
            changes[name] = limit
    return gate.model_copy(update=changes)


def looser(gate: GateParams, accept: AcceptPlan) -> Iterator[str]:
    """What of `accept` asks less than `gate`, in words: a plan may not soften the policy."""
    for name, stricter in _STRICTER.items():
        limits: dict[str, float] = getattr(gate, name)
        for metric, limit in getattr(accept, name).items():
            if metric in limits and stricter(limit, limits[metric]) != limit:
                yield f"{name}.{metric} is {limit:g}, looser than the gate's {limits[metric]:g}"
    for name in ("subgroup_gap", "ece_max"):
        limit, policy = getattr(accept, name), getattr(gate, name)
        if limit is not None and limit > policy:
            yield f"{name} is {limit:g}, looser than the gate's {policy:g}"
