"""The command ``medpipe``: a thin skin over the package.

Each command lives in `medpipe.commands` and is imported only when it is chosen, so that ``medpipe
--help`` starts at once. The result of a command goes to stdout as JSON; everything else to stderr.
"""

from __future__ import annotations

import errno
import importlib
import logging
import sys
from pathlib import Path
from typing import Any

import click

from medpipe import __version__
from medpipe.errors import MedpipeError

COMMANDS = {
    "run": ("training", "The main job: source to gated, packaged champion, in one go."),
    "stage": ("training", "Run one stage of the pipeline, as DVC does."),
    "tune": ("tuning", "Search for better parameters, scored on val only."),
    "sample": ("data", "Write an invented, identifiable-looking data set to try things on."),
    "raw": ("data", "Look into the de-identified data: show, export, quarantine."),
    "new": ("project", "Begin a new workload as a copy of one that works."),
    "card": ("project", "The model card of a workload, or its data dictionary."),
    "params": ("project", "Every parameter of a workload: value, unit, meaning."),
    "workloads": ("project", "The clinical questions that are installed."),
    "doctor": ("project", "Check this machine and project, and say what is missing."),
    "promote": ("release", "Let the gate decide on the newest model, and release it if allowed."),
    "plan": ("plan", "What an automatic retrain may change: show it, or hold the data against it."),
    "approve": ("plan", "Let a model that waits for a person become champion."),
    "reject": ("plan", "Refuse a model that waits for a person."),
    "deploy": ("operate", "Schedule everything on a Prefect server: apply prefect.yaml."),
    "rollback": ("release", "Take the champion back and put the previous one in its place."),
    "recalibrate": ("recalibration", "Put the champion's risks right by known outcomes."),
    "release": ("probation", "How a model on probation stands; make it champion, or stop it."),
    "status": ("release", "Which model is champion, and whether registry and release agree."),
    "certificate": ("release", "What the gate signed: show it, or check that it still fits."),
    "score": ("scoring", "The champion's answers for a whole source, as one table."),
    "monitor": ("monitoring", "Whether what the champion is asked, or how it does, has changed."),
    "keys": ("access", "Who may ask the service: add, list and revoke API keys."),
    "audit": ("audit", "The record of every answer: verify it, show it, search it."),
    "feedback": ("feedback", "What became of answers: tell it by answer id, or look it up."),
    "trace": ("audit", "From an answer to its model, run, commit, data and patients."),
    "package": ("deliver", "Build the bento that serves the champion."),
    "image": ("deliver", "Build the champion's container, and check it before it gets its name."),
    "export": ("deliver", "The champion as a folder for numpy and ONNX Runtime alone (--edge)."),
}
"""Name → (module of `medpipe.commands`, one line of help)."""


class _Commands(click.Group):
    """Finds a command's module by `COMMANDS`, without importing the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"medpipe.commands.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="First steps: `medpipe run chest_xray`, then `medpipe status chest_xray`. "
    "`medpipe COMMAND --help` teaches the rest.",
)
@click.version_option(__version__, prog_name="medpipe")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The project: the folder that holds params.yaml.  [default: this folder]",
)
@click.option("-v", "--verbose", is_flag=True, help="Say more about what is going on.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors and the result.")
@click.pass_context
def main_group(ctx: click.Context, root: Path, verbose: bool, quiet: bool) -> None:
    """From identifiable clinical data to a gated, audited, served model.

    Data pass through ingest (identifiers removed), validate, preprocess (patients split), train,
    export and evaluate; then a gate decides, by a policy you write, whether the model is released.
    """
    level = logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO
    # Prefect and DVC's callers put the time before each line themselves.
    line = "%(asctime)s %(message)s" if sys.stderr.isatty() else "%(message)s"
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR, format=line, datefmt="%H:%M:%S")
    for name in ("pydicom", "openjpeg"):  # they quote values of headers
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger("medpipe").setLevel(level)
    ctx.obj = root.resolve()


def main() -> None:
    """Entry point: turns medpipe's errors into one readable message and exit status 1."""
    try:
        main_group(prog_name="medpipe", standalone_mode=True)
    except MedpipeError as error:
        _stop(str(error))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _stop("the disk is full; free some space and run the same command again")


def _stop(message: str) -> Any:
    click.echo(f"medpipe: {message}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
