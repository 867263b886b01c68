"""``medpipe tune``."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from medpipe import config
from medpipe.commands import show
from medpipe.project import open_workload


@click.command()
@click.argument("workload")
@click.option(
    "--trials",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="How many in all, those of earlier calls included.",
)
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many train at the same time on this machine.",
)
@click.option("--apply", "apply_best", is_flag=True, help="Write the best into params.yaml.")
@click.option("--show", "only_show", is_flag=True, help="Train nothing; say what was found so far.")
@click.option("--worker", "is_worker", is_flag=True, hidden=True)
@click.pass_obj
def tune(
    root: Path,
    workload: str,
    trials: int,
    processes: int,
    apply_best: bool,
    only_show: bool,
    is_worker: bool,
) -> None:
    """Search for better parameters of WORKLOAD: train with many, and compare them on val.

    Where to look is section `tune` of params.yaml; without one, learning rate, weight decay and
    dropout are searched. No trial reads a test patient. A search that was killed goes on when you
    type the same command again; it begins anew when the data, the space or another parameter
    changes. Several machines share a search whose database MEDPIPE_TUNE_STORAGE points to.

    Without --apply the best parameters are printed as the lines to paste; with it they are in
    params.yaml, and the next `medpipe run` trains with them.

    \b
    Examples
      medpipe tune chest_xray --trials 40 --processes 2
      medpipe tune chest_xray --show
      medpipe tune chest_xray --trials 40 --apply
    """
    from medpipe import tuning  # delayed: torch and Optuna, which --help does not need

    if logging.getLogger("medpipe").level == logging.INFO:
        # A line for each trial is news, one for each of its epochs is not.
        logging.getLogger("medpipe.learning.learner").setLevel(logging.WARNING)
    opened = open_workload(workload, root)
    parts = (opened.workload, opened.params, opened.layout)
    if is_worker:
        tuning.worker(*parts, trials=trials)
        return
    result = (
        tuning.look(*parts)
        if only_show
        else tuning.tune(*parts, trials=trials, processes=processes)
    )
    best = result["best"]
    if best and apply_best:
        config.set_values(root, opened.workload, best["values"])
        click.echo(f"params.yaml has the values of trial {best['trial']} now", err=True)
    elif best:
        lines = config.spelled(workload, best["values"])
        click.echo(f"The best so far; --apply writes it into params.yaml:\n{lines}", err=True)
    show(result | {"applied": bool(best and apply_best)})
