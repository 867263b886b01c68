"""``medpipe run`` and ``medpipe stage``."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any

import click

from medpipe import config, files, stages
from medpipe.commands import show
from medpipe.paths import Home
from medpipe.plan.check import BY_HAND, REASONS, Reason

_PREFECT_MIB = 8
"""What Prefect's database and logs take of a first run, and some more."""


@click.command()
@click.argument("workload")
@click.option(
    "--reason",
    type=click.Choice(REASONS),
    default=BY_HAND,
    show_default=True,
    help="Why; all but by hand are held to the change plan, and stop where they leave it.",
)
@click.option("--note", default="", help="More about the reason, for the log.")
@click.option("--no-package", is_flag=True, help="Stop after the gate; build no bento.")
@click.pass_obj
def run(root: Path, workload: str, reason: Reason, note: str, no_package: bool) -> None:
    """Take WORKLOAD from its source to a gated, registered and packaged model.

    Runs the training flow with embedded defaults: Prefect without a server to start, MLflow on
    SQLite, DVC's cache in this folder. Stages whose data, parameters and code are unchanged are
    skipped; a run that was killed goes on where it stopped. Where the change plan (section `plan`)
    wants a person's approval, it ends there: `medpipe approve` goes on.

    \b
    Example
      medpipe run chest_xray
    """
    flow = embedded("training", root)
    outcome, words = flow.run(workload, root=root, reason=reason, note=note, package=not no_package)
    tell(outcome, words)


def embedded(name: str, root: Path) -> Any:
    """Module `name` of flows, with a Prefect server for this process where none is configured."""
    home = Home(root).prefect
    # Where Prefect cannot write, it waits for a minute and ends with a traceback.
    files.ensure_room(home, mib=_PREFECT_MIB)
    # Before Prefect is imported: its embedded server's database belongs to the project.
    config.prefer("PREFECT_HOME", str(home))
    answers = importlib.import_module("flows.server").embedded()
    flow = importlib.import_module(f"flows.{name}")  # meanwhile the server starts
    answers()
    return flow


def tell(outcome: dict[str, Any], words: str) -> None:
    """A flow's outcome: in words for a person, as JSON for a program."""
    if logging.getLogger("medpipe").isEnabledFor(logging.INFO):
        click.echo(words, err=True)
    show(outcome)


@click.command()
@click.argument("name", type=click.Choice(stages.NAMES))
@click.argument("workload")
@click.pass_obj
def stage(root: Path, name: str, workload: str) -> None:
    """Run the one stage NAME of WORKLOAD; prints its outcome as JSON.

    This is what dvc.yaml calls. It always does its work; `dvc repro NAME@WORKLOAD` does it only
    where something has changed.

    \b
    Example
      medpipe stage evaluate chest_xray
    """
    show(stages.run(name, workload, root=root))
