"""``medpipe params``, ``workloads``, ``new``, ``card`` and ``doctor``."""

from __future__ import annotations

from pathlib import Path

import click

from medpipe import card as cards
from medpipe import config, draft
from medpipe import doctor as checks
from medpipe import workloads as installed
from medpipe.commands import show
from medpipe.paths import Layout
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
@click.argument("name", metavar="WORKLOAD")
@click.option("--like", required=True, help="The workload to begin from; see `medpipe workloads`.")
@click.pass_obj
def new(root: Path, name: str, like: str) -> None:
    """Begin a new WORKLOAD as a copy of one that works, which you then make your own.

    Writes medpipe/workloads/WORKLOAD.py and a section of params.yaml, and nothing else: a workload
    is that file and that section. The copy runs at once, on its own invented patients. What it says
    of itself is marked FILL IN until you have written it. docs/add-a-workload.md goes through it.

    \b
    Example
      medpipe new stroke --like icu_mortality
    """
    path = draft.draft(name, like, root)
    facts = draft.unfilled(installed.get(name))
    click.echo(
        f"{path} and section workloads.{name} of params.yaml are yours now. What to type next:\n"
        f"  medpipe run {name}            it runs already, on invented patients\n"
        f"  medpipe card {name} --data    its columns: make them those of your question\n"
        f"  medpipe doctor               lists what is marked {draft.MARK}\n"
        "docs/add-a-workload.md goes through the file from top to bottom.",
        err=True,
    )
    show({"workload": name, "like": like, "file": str(path), "to_fill_in": facts})


@click.command()
@click.argument("workload")
@click.option("--data", is_flag=True, help="The data dictionary instead, derived from the columns.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of Markdown.")
@click.pass_obj
def card(root: Path, workload: str, data: bool, as_json: bool) -> None:
    """Print the card of WORKLOAD's model as Markdown: what it is for, and how it did.

    It is the champion's; before there is one, that of the model that was evaluated last. With
    --data it is the data dictionary: every column of raw with type, unit, range and meaning, as the
    schema, the checks of validate and the limits of a request are derived from it, too.

    \b
    Examples
      medpipe card chest_xray
      medpipe card chest_xray --data > data-dictionary.md
    """
    asked = installed.get(workload)
    if data:
        entries = cards.as_json(cards.dictionary(asked))
        show(entries) if as_json else click.echo(cards.data_markdown(asked), nl=False)
        return
    found = cards.model(asked, Layout(root, workload))
    show(found) if as_json else click.echo(cards.model_markdown(found), nl=False)


@click.command()
@click.pass_obj
def doctor(root: Path) -> None:
    """Check this machine and project; exits with status 1 if something must be mended."""
    found = checks.examine(root)
    show([check.as_dict() for check in found])
    if not all(check.passed for check in found):
        raise SystemExit(1)
