"""What training knows of a kind of prediction: targets, weights, loss, link.

One module each, whose class has the module's name, capitalised.
"""

from __future__ import annotations

import importlib
import pkgutil

from medpipe.errors import ParamsError
from medpipe.objectives.objective import Objective, Rows
from medpipe.workload import Workload

_CONTRACT = "objective"


def get(name: str) -> Objective:
    """The objective called `name` without label columns, for one that needs none of them.

    Raises
    ------
    ParamsError : there is no such objective
    """
    return _class(name)()


def of(workload: Workload, train: Rows | None = None) -> Objective:
    """The objective of `workload`, over its label columns; fitted where `train` is given.

    ``of(workload).outputs`` is the number of outputs that its network must have.

    Parameters
    ----------
    train : training rows of ready by column name, a frame

    Raises
    ------
    ParamsError : no such objective, or label columns that it cannot predict
    DataError : there is nothing to learn from `train`
    """
    columns = {column.name: column for column in workload.columns}
    named = [columns[name] for name in workload.label_columns if name in columns]
    objective = _class(workload.objective)(named)
    return objective if train is None else objective.fitted(objective.targets_in(train))


def _class(name: str) -> type[Objective]:
    known = sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != _CONTRACT)
    if name not in known:
        raise ParamsError(f"no objective is called {name!r}; there are: {', '.join(known)}")
    found: type[Objective] = getattr(
        importlib.import_module(f"{__name__}.{name}"), name.capitalize()
    )
    assert issubclass(found, Objective)
    return found
