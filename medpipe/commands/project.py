"""``medpipe params``, ``workloads`` and ``doctor``."""

from __future__ import annotations

from pathlib import Path

import click

from medpipe import config
from medpipe import doctor as checks
from medpipe import workloads as installed
from medpipe.commands import show
from medpipe.project import open_workload


@click.command()
@click.argument("workload")
@click.pass_obj
def params(root: Path, workload: str) -> None:
    """List every parameter of WORKLOAD with the value in force, its limits and its meaning."""
    click.echo("\n".join(config.described(open_workload(workload, root).params)))


@click.command("workloads")
def workloads() -> None:
    """List the clinical questions that are installed, with what each is for and not for."""
    show(
        {
            name: {"title": w.title, "intended_use": w.intended_use, "not_for": w.not_for}
            for name in installed.names()
            for w in [installed.get(name)]
        }
    )


@click.command()
@click.pass_obj
def doctor(root: Path) -> None:
    """Check this machine and project; exits with status 1 if something must be mended."""
    found = checks.examine(root)
    show([check.as_dict() for check in found])
    if not all(check.passed for check in found):
        raise SystemExit(1)
