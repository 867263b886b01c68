"""The clinical questions: one file each, and the file name is the name."""

from __future__ import annotations

import importlib
import pkgutil

from medpipe.errors import ParamsError
from medpipe.workload import Workload


def names() -> list[str]:
    """Every workload that is installed, in alphabetical order, without importing one."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def get(name: str) -> Workload:
    """The workload called `name`: the attribute ``WORKLOAD`` of its file.

    Raises
    ------
    ParamsError : there is no such workload
    """
    if name not in names():
        raise ParamsError(f"no workload is called {name!r}; there are: {', '.join(names())}")
    workload = importlib.import_module(f"{__name__}.{name}").WORKLOAD
    assert isinstance(workload, Workload)
    return workload
