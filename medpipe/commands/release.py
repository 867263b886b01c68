"""``medpipe promote``, ``rollback``, ``status`` and ``certificate``."""

from __future__ import annotations

import getpass
import importlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from medpipe import certificate as signing
from medpipe import config, keys, promotion
from medpipe.commands import show
from medpipe.errors import ParamsError
from medpipe.notify import NotifyParams
from medpipe.paths import SOURCE
from medpipe.probation import Mode
from medpipe.project import open_workload


@click.command()
@click.argument("workload")
@click.option("--dry-run", is_flag=True, help="Print the verdict; change nothing.")
@click.option(
    "--approver",
    default=promotion.POLICY,
    show_default=True,
    help="Who answers for it; a version that was rolled back needs a person.",
)
@click.option("--direct", "mode", flag_value="direct", help="Champion at once.")
@click.option("--shadow", "mode", flag_value="shadow", help="On probation, answering silently.")
@click.option(
    "--canary",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="On probation, answering this share of the questions.",
)
@click.pass_obj
def promote(
    root: Path,
    workload: str,
    dry_run: bool,
    approver: str,
    mode: Mode | None,
    canary: float | None,
) -> None:
    """Let the gate decide whether WORKLOAD's newest model becomes champion.

    The policy is section `gate` of params.yaml. A refusal is a result, with its reasons, and exits
    with status 0. Beside a champion, section `release` says whether the model is on probation
    first; --direct, --shadow and --canary say it for this time.

    \b
    Example
      medpipe promote chest_xray --dry-run
      medpipe promote chest_xray --canary 0.1
    """
    if mode is not None and canary is not None:
        raise ParamsError(f"give either --{mode} or --canary")
    opened = open_workload(workload, root)
    params = _released(opened.params, mode, canary)
    show(
        promotion.promote(
            opened.workload, params, opened.layout, approver=approver, dry_run=dry_run
        )
    )


def _released(params: config.Params, mode: Mode | None, canary: float | None) -> config.Params:
    changed: dict[str, Any] = {"mode": mode} if mode is not None else {}
    if canary is not None:
        changed = {"mode": "canary", "share": canary}
    return params.model_copy(update={"release": params.release.model_copy(update=changed)})


@click.command()
@click.argument("workload")
@click.option("--reason", required=True, help="Why; it is signed into the record.")
@click.option("--approver", default=getpass.getuser, help="Who decides.  [default: this user]")
@click.pass_obj
def rollback(root: Path, workload: str, reason: str, approver: str) -> None:
    """Make WORKLOAD's previous model champion again.

    \b
    Example
      medpipe rollback chest_xray --reason "too many false alarms on ward 3"
    """
    opened = open_workload(workload, root)
    outcome = promotion.rollback(opened.workload, opened.layout, reason=reason, approver=approver)
    if config.shared(root, NotifyParams, "notify").to:  # Prefect takes seconds to load
        told = [outcome["summary"], f"{approver}: {reason}"]
        importlib.import_module("flows.notices").tell(root, "rolled back", workload, told)
    show(outcome)


@click.command()
@click.argument("workload")
@click.pass_obj
def status(root: Path, workload: str) -> None:
    """Say which model of WORKLOAD is champion, and whether registry, record and release agree."""
    opened = open_workload(workload, root)
    show(promotion.status(opened.workload, opened.layout))


@click.group()
def certificate() -> None:
    """What the gate signed: show it, or hold it against the files, the code and the clock."""


_RELEASE = click.option(
    "--release",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A release folder, such as releases/WORKLOAD of a bento.  [default: the champion's]",
)


@certificate.command("show")
@click.argument("workload")
@_RELEASE
@click.pass_obj
def certificate_show(root: Path, workload: str, folder: Path | None) -> None:
    """Print the certificate of WORKLOAD's champion as it was signed.

    \b
    Example
      medpipe certificate show chest_xray
    """
    show(signing.read(folder or open_workload(workload, root).layout.champion))


@certificate.command("verify")
@click.argument("workload")
@_RELEASE
@click.pass_obj
def certificate_verify(root: Path, workload: str, folder: Path | None) -> None:
    """Check signature, files, code and expiry, as the service does before it answers.

    Exits with status 1 and the reason where something does not fit.

    \b
    Example
      medpipe certificate verify chest_xray
    """
    layout = open_workload(workload, root).layout
    place = folder or layout.champion
    signed = signing.read(place)
    signing.verify(signed, place, keys.trusted(layout.home))
    signing.verify_code(signed, SOURCE)
    signing.verify_time(signed, datetime.now(UTC))
    facts = ("workload", "version", "approver", "issued", "expires")
    show({"fits": True, **{name: signed[name] for name in facts}, "sha256": signing.digest(signed)})
