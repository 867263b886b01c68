"""Commands that a flow's tasks run, with their output streamed into the flow's log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from typing import Any

from prefect.logging import get_run_logger

from medpipe import config
from medpipe.errors import MedpipeError

_REMARKS = (
    *("Running stage ", "> ", "Generating lock file", "Updating lock file"),
    *("Use `dvc push`", "To track the changes with git", "To enable auto staging", "\tgit add"),
    *("Data and pipelines are up to date", "{"),
)
"""How lines begin that tell a person nothing new: DVC's to who typed it, and a stage's result as
JSON, which its last line says in words."""


class StepFailedError(MedpipeError):
    """A command ended with an error; what it said of it is the message."""


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
    return _lines([sys.executable, "-m", "dvc", *arguments], root=root, shown=shown)


def medpipe(*arguments: str, root: Path) -> dict[str, Any]:
    """Run ``medpipe`` in the project at `root`; gives the JSON that it printed.

    Raises
    ------
    StepFailedError : it ended with another status than 0
    """
    lines = _lines([sys.executable, "-m", "medpipe.cli", *arguments], root=root, shown=True)
    found: dict[str, Any] = json.loads(next(line for line in reversed(lines) if line[:1] == "{"))
    return found


def _lines(command: list[str], *, root: Path, shown: bool) -> list[str]:
    logger = get_run_logger()
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
                if shown and lines[-1] and not lines[-1].startswith(_REMARKS):
                    logger.info(lines[-1])
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        raise StepFailedError(explained(lines))
    return lines


def explained(lines: list[str]) -> str:
    """What `lines`, printed by a command that failed, say of it.

    The whole of medpipe's own message, without what DVC says after it; else the last lines.
    """
    starts = [number for number, line in enumerate(lines) if line.startswith("medpipe: ")]
    if not starts:
        return "\n".join(lines[-5:])
    own = takewhile(lambda line: not line.startswith("ERROR: "), lines[starts[-1] :])
    return "\n".join(own).removeprefix("medpipe: ").strip()
