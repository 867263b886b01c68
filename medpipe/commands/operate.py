"""``medpipe deploy``."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from medpipe.commands import show


@click.command()
@click.pass_obj
def deploy(root: Path) -> None:
    """Apply prefect.yaml to the Prefect server that PREFECT_API_URL names.

    Makes the work pool, five deployments per workload (train, monitor, score, release,
    recalibrate), the limit of one training per GPU, and what starts a training or a recalibration
    on drift. Doing it again changes nothing.

    \b
    Example
      medpipe deploy
    """
    show(importlib.import_module("flows.deployments").deploy(root))
