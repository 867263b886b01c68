"""A workload of a project, opened: what the doors (commands and flows) need to begin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medpipe import config, workloads
from medpipe.paths import Layout
from medpipe.workload import Workload


@dataclass(frozen=True)
class Opened:
    """A workload with its checked parameters and its places."""

    workload: Workload
    params: config.Params
    layout: Layout


def open_workload(name: str, root: Path) -> Opened:
    """The workload `name` in the project at `root`.

    Raises
    ------
    ParamsError : no such workload, no params.yaml, or a parameter that is wrong
    """
    workload = workloads.get(name)
    return Opened(workload, config.load(root, workload), Layout(root, name))
