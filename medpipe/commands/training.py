"""``medpipe run`` and ``medpipe stage``."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path

import click

from medpipe import config, files, stages
from medpipe.commands import show
from medpipe.paths import Home

_PREFECT_MIB = 8
"""What Prefect's database and logs take of a first run, and some more."""


@click.command()
@click.argument("workload")
@click.option(
    "--reason", default="manual", show_default=True, help="Why; stands in the run's name."
)
@click.option("--no-package", is_flag=True, help="Stop after the gate; build no bento.")
@click.pass_obj
def run(root: Path, workload: str, reason: str, no_package: bool) -> None:
    """Take WORKLOAD from its source to a gated, registered and packaged model.

    Runs the training flow with embedded defaults: Prefect without a server to start, MLflow on
    SQLite, DVC's cache in this folder. Stages whose data, parameters and code are unchanged are
    skipped; a run that was killed goes on where it stopped.

    \b
    Example
      medpipe run chest_xray
    """
    home = Home(root).prefect
    # Where Prefect cannot write, it waits for a minute and ends with a traceback.
    files.ensure_room(home, mib=_PREFECT_MIB)
    # Before Prefect is imported: its embedded server's database belongs to the project.
    config.prefer("PREFECT_HOME", str(home))
    answers = importlib.import_module("flows.server").embedded()
    flow = importlib.import_module("flows.training")  # meanwhile the server starts
    answers()
    outcome, words = flow.run(workload, root=root, reason=reason, package=not no_package)
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
