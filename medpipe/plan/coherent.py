"""Whether a plan fits the parameters that it is written beside."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from medpipe.errors import ParamsError
from medpipe.plan import accept, check
from medpipe.plan.section import PlanParams

if TYPE_CHECKING:
    from medpipe.sections import GateParams


def ensure(plan: PlanParams, gate: GateParams, params: Mapping[str, Any], *, where: str) -> None:
    """Nothing, when `plan` names parameters that there are, and softens nothing.

    Parameters
    ----------
    params : effective parameters
    where : the plan's place in params.yaml

    Raises
    ------
    ParamsError : it names the line and what stands near it
    """
    known = [name for name in check.leaves(params) if not name.startswith("source.")]
    for name in plan.may_change:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise ParamsError(
                f"params.yaml: {where}.may_change.{name} is not a parameter that a model is made "
                f"with{hint}"
            )
    for problem in accept.looser(gate, plan.accept):
        raise ParamsError(f"params.yaml: {where}.accept.{problem}; a plan may only ask for more")
