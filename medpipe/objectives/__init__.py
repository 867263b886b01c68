"""What training knows of a kind of prediction: targets, weights, loss, link. One module each."""

from __future__ import annotations

import importlib
import pkgutil

from medpipe.errors import ParamsError
from medpipe.objectives.objective import Objective

_CONTRACT = "objective"


def get(name: str) -> Objective:
    """The objective called `name`: the attribute ``OBJECTIVE`` of its module.

    Raises
    ------
    ParamsError : there is no such objective
    """
    known = sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != _CONTRACT)
    if name not in known:
        raise ParamsError(f"no objective is called {name!r}; there are: {', '.join(known)}")
    objective = importlib.import_module(f"{__name__}.{name}").OBJECTIVE
    assert isinstance(objective, Objective)
    return objective
