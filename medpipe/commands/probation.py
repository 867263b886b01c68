"""``medpipe release``: how a model on probation stands, and what becomes of it."""

from __future__ import annotations

import getpass
import importlib
from pathlib import Path
from typing import Any, Literal

import click

from medpipe import config
from medpipe.commands import show
from medpipe.errors import ParamsError
from medpipe.notify import NotifyParams
from medpipe.project import Opened, open_workload
from medpipe.promotion import POLICY
from medpipe.promotion import approval as approvals
from medpipe.promotion import probation as probations
from medpipe.promotion.record import Record

Act = Literal["status", "full", "stop", "judge"]


@click.command()
@click.argument("workload")
@click.option("--status", "act", flag_value="status", default=True, help="Only say; the default.")
@click.option("--judge", "act", flag_value="judge", help="Do what follows from what was counted.")
@click.option("--full", "act", flag_value="full", help="Make it champion now.")
@click.option("--stop", "act", flag_value="stop", help="Take it away; needs --reason.")
@click.option("--reason", help="Why; it is signed into the record, and names no patient.")
@click.option("--approver", default=getpass.getuser, help="Who decides.  [default: this user]")
@click.pass_obj
def release(root: Path, workload: str, act: Act, reason: str | None, approver: str) -> None:
    """Say how WORKLOAD's model on probation, or its new champion, stands; or decide about it.

    Counted is what the record of answers holds, against the bounds of section `release` of
    params.yaml. `--judge` is what the monitoring flow does every hour: it makes the model champion,
    takes it away, rolls a new champion back, or does nothing.

    \b
    Example
      medpipe release chest_xray
      medpipe release chest_xray --stop --reason "misses drains"
    """
    opened = open_workload(workload, root)
    if act == "judge":
        outcome = probations.judge(opened.workload, opened.params, opened.layout)
        if outcome["verb"] == "roll back":
            _tell(root, workload, [outcome["summary"], *outcome["why"]])
        show(outcome)
    elif act == "status":
        found = probations.standing(opened.workload, opened.params, opened.layout)
        nothing = "no model is on probation, and no new champion is watched"
        show(
            probations.told(opened.workload, found)
            if found is not None
            else {"workload": workload, "summary": nothing}
        )
    else:
        show(_decided(opened, act, reason, approver))


def _decided(
    opened: Opened, act: Literal["full", "stop"], reason: str | None, approver: str
) -> dict[str, Any]:
    if act == "stop" and reason is None:
        raise ParamsError("--stop needs --reason: why the model is taken away")
    if approver == POLICY:
        raise ParamsError(f"a person decides: {POLICY!r} is nobody's name; give --approver")
    why = reason or "released by hand"
    approvals.ensure_text("reason", why)
    decide = probations.full if act == "full" else probations.stop
    after: Record = decide(opened.layout, reason=why, approver=approver)
    version = after.champion.version
    word = "champion now" if act == "full" else "champion; the model on probation is withdrawn"
    summary = f"version {version} is {word}"
    if act == "stop":
        _tell(opened.layout.root, opened.workload.name, [summary, f"{approver}: {why}"])
    return {
        "workload": opened.workload.name,
        "summary": summary,
        "champion": version,
        "withdrawn": list(after.withdrawn),
    }


def _tell(root: Path, workload: str, lines: list[str]) -> None:
    if config.shared(root, NotifyParams, "notify").to:  # Prefect takes seconds to load
        importlib.import_module("flows.notices").tell(root, "rolled back", workload, lines)
