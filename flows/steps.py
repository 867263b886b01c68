"""Commands that a flow's tasks run, with their output streamed into the flow's log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from prefect.logging import get_run_logger

from medpipe import config
from medpipe.errors import MedpipeError


class StepFailedError(MedpipeError):
    """A command ended with an error; its last lines are the message."""


def stale(targets: list[str], *, root: Path) -> bool:
    """Whether ``dvc repro`` would run any of `targets`, stages as dvc.yaml calls them."""
    lines = dvc("status", "--json", *targets, root=root, shown=False)
    return lines[-1:] != ["{}"]


def dvc(*arguments: str, root: Path, shown: bool = True) -> list[str]:
    """Run ``dvc`` with `arguments` in the project at `root`; gives the lines it printed.

    A process of its own, because that is what a person types: what a flow does and what
    ``dvc repro`` does cannot differ.

    Raises
    ------
    StepFailedError : it ended with another status than 0
    """
    logger = get_run_logger()
    command = [sys.executable, "-m", "dvc", *arguments]
    # dvc.yaml says `medpipe stage …`: the medpipe that stands beside this Python.
    path = os.pathsep.join([str(Path(sys.executable).parent), config.environment("PATH") or ""])
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=root,
        env=config.child_environment(PATH=path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line.rstrip())
                if lines[-1] and shown:
                    logger.info(lines[-1])
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        told = [line for line in lines if line.startswith("medpipe: ")] or lines[-5:]
        raise StepFailedError("\n".join(told).removeprefix("medpipe: "))
    return lines
