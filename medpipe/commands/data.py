"""``medpipe sample`` and ``medpipe raw``."""

from __future__ import annotations

from pathlib import Path

import click

from medpipe import workloads
from medpipe.commands import show
from medpipe.project import Opened, open_workload
from medpipe.tables import look
from medpipe.tables.raw import Raw


@click.command()
@click.argument("workload")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--patients", type=click.IntRange(2), default=100, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
def sample(workload: str, folder: Path, patients: int, seed: int) -> None:
    """Write invented patients for WORKLOAD into FOLDER, in the layout of a real source.

    The people do not exist, but their files look identifiable: names, birth dates, numbers. Use
    them to try medpipe, or to test what your own tools do with identifiers.

    \b
    Example
      medpipe sample chest_xray /tmp/films --patients 50
    """
    workloads.get(workload).synthesise(folder, patients=patients, seed=seed)
    show({"folder": str(folder), "patients": patients, "seed": seed})


@click.group()
def raw() -> None:
    """Look into the de-identified data of a workload."""


@raw.command("show")
@click.argument("workload")
@click.pass_obj
def show_raw(root: Path, workload: str) -> None:
    """Count examples, groups, sites, labels and parts of WORKLOAD's raw data."""
    opened = open_workload(workload, root)
    show(look.show(_raw(opened), opened.workload))


@raw.command("export")
@click.argument("workload")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Examples.")
@click.pass_obj
def export_raw(root: Path, workload: str, folder: Path, limit: int) -> None:
    """Write the first examples of WORKLOAD into FOLDER, to be looked at: images and a table."""
    opened = open_workload(workload, root)
    show(look.export(_raw(opened), opened.workload, folder, limit=limit))


@raw.command("quarantine")
@click.argument("workload")
@click.pass_obj
def quarantine(root: Path, workload: str) -> None:
    """List what ingest refused, with reasons, from this machine's own list.

    The list may name files and therefore people: it never leaves .medpipe, and only this command
    prints it.
    """
    path = open_workload(workload, root).layout.quarantine
    click.echo(
        path.read_text(encoding="utf-8") if path.exists() else "nothing was refused", nl=False
    )


def _raw(opened: Opened) -> Raw:
    return Raw(opened.layout.raw, opened.workload.columns)
