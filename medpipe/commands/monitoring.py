"""``medpipe monitor``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from medpipe.commands import show
from medpipe.project import open_workload

_FACTS = 8
"""Shown in the terminal; the page has all."""


@click.command()
@click.argument("workload")
@click.option(
    "--window",
    type=click.IntRange(1, 92),
    metavar="DAYS",
    help="Days of a window, for this look.  [default: monitor.window_days of params.yaml]",
)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="Leave out what was answered before, for this look.  [default: since the release]",
)
@click.option("--json", "as_json", is_flag=True, help="All that was measured, as JSON.")
@click.pass_obj
def monitor(
    root: Path, workload: str, window: int | None, since: datetime | None, as_json: bool
) -> None:
    """Say whether what WORKLOAD's champion is asked, or how it does, has changed.

    Prints the verdict, what to do and why. Judges whole windows of the calendar by section monitor
    of params.yaml. Writes reports/WORKLOAD/monitor/: verdict.json with the verdicts before it,
    index.html, and metrics for Prometheus; a look with --window or --since leaves these alone. A
    verdict is a result: the exit status is 0 whatever it is.

    \b
    Examples
      medpipe monitor chest_xray
      medpipe monitor chest_xray --window 1 --since 2026-11-20
    """
    from medpipe.monitoring import monitor as monitoring  # delayed: SciPy and Jinja

    opened = open_workload(workload, root)
    result = monitoring.monitor(
        opened.workload,
        opened.params,
        opened.layout,
        now=datetime.now(UTC),
        window_days=window,
        since=since and since.replace(tzinfo=UTC),
    )
    if as_json:
        show(result)
    else:
        click.echo(words(result))
        if window is None and since is None:
            click.echo(f"\nThe page: {opened.layout.monitoring / 'index.html'}")


def words(result: Mapping[str, Any]) -> str:
    """The verdict, its reasons, and a line for each fact of all answers that stands out most."""
    advice = f", advice: {result['action']}" if result["action"] != "none" else ""
    lines = [f"{result['workload']}, version {result['version']}: {result['verdict']}{advice}"]
    lines += [f"  {reason}" for reason in result["reasons"]]
    told = (fact for fact in result["facts"] if not fact["whom"])
    whole = sorted(told, key=lambda fact: (fact["p"], -abs(fact["size"])))
    first = whole[:_FACTS]
    if first:
        width = max(len(fact["fact"]) for fact in first)
        head = ("question", "PSI or share", "beyond chance", "p", "windows")
        lines += ["", "{:{}}  {:10}  {:>12}  {:>13}  {:>7}  {:>7}".format("fact", width, *head)]
        lines += [
            f"{fact['fact']:{width}}  {fact['kind']:10}  {fact['shown']:12.3f}  "
            f"{fact['size']:+13.3f}  {fact['p']:7.2g}  {fact['windows']:7}"
            for fact in first
        ]
    if more := len(whole) - len(first):
        lines.append(f"and {more} more that stand out less")
    return "\n".join(lines)
