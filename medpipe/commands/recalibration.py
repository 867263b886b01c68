"""``medpipe recalibrate``."""

from __future__ import annotations

from pathlib import Path

import click

from medpipe import promotion
from medpipe.commands import show
from medpipe.plan.check import BY_HAND, REASONS, Reason
from medpipe.project import open_workload


@click.command()
@click.argument("workload")
@click.option(
    "--days",
    type=click.IntRange(1, 1096),
    help="Look at answers no older than this.  [default: plan.recalibrate.days of params.yaml]",
)
@click.option(
    "--dry-run", is_flag=True, help="Print what was found and the verdict; change nothing."
)
@click.option(
    "--reason",
    type=click.Choice(REASONS),
    default=BY_HAND,
    show_default=True,
    help="Why; all but by hand are held to the change plan.",
)
@click.option(
    "--approver",
    default=promotion.POLICY,
    show_default=True,
    help="Who answers for it; a recalibration that was rolled back needs a person.",
)
@click.pass_obj
def recalibrate(
    root: Path, workload: str, days: int | None, dry_run: bool, reason: Reason, approver: str
) -> None:
    """Put the risks of WORKLOAD's champion right by answers whose outcome is known.

    For where more, or fewer, patients have the outcome than the model expects, and it still tells
    them apart. The model, and whom it flags, stay the same. Fitted to the earlier answers, judged
    by the later ones, and released as a version of its own; `medpipe rollback` takes it back. A
    refusal is a result, with its reasons, and exits with status 0.

    \b
    Example
      medpipe recalibrate chest_xray --dry-run
    """
    opened = open_workload(workload, root)
    show(
        promotion.recalibrate(
            opened.workload,
            opened.params,
            opened.layout,
            days=days,
            approver=approver,
            dry_run=dry_run,
            reason=reason,
        )
    )
