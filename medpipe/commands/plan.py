"""``medpipe plan``, ``approve`` and ``reject``."""

from __future__ import annotations

import getpass
import importlib
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from medpipe import certificate, config, promotion
from medpipe.commands import show
from medpipe.commands.training import embedded, tell
from medpipe.errors import TrackingError
from medpipe.paths import Layout
from medpipe.plan.check import REASONS, Reason
from medpipe.project import open_workload
from medpipe.promotion import approval as approvals
from medpipe.promotion.approval import Approval


@click.group()
def plan() -> None:
    """The change plan: what an automatic retrain may change, and when a person is asked."""


@plan.command("show")
@click.argument("workload")
@click.pass_obj
def plan_show(root: Path, workload: str) -> None:
    """Print the plan of WORKLOAD in force, with the digest that certificates name it by.

    \b
    Example
      medpipe plan show chest_xray
    """
    found = open_workload(workload, root).params.plan.model_dump(mode="json")
    show({"workload": workload, "digest": certificate.digest(found), "plan": found})


@plan.command("check")
@click.argument("workload")
@click.option(
    "--reason",
    type=click.Choice(REASONS),
    default="schedule",
    show_default=True,
    help="Why there would be a training.",
)
@click.pass_obj
def plan_check(root: Path, workload: str, reason: Reason) -> None:
    """Say whether a training of WORKLOAD with the params and raw of now would be within the plan.

    Exits with status 1 where it would not, and names each line that it breaks.

    \b
    Example
      medpipe plan check chest_xray
    """
    opened = open_workload(workload, root)
    found = promotion.planned(opened.workload, opened.params, opened.layout, reason)
    show({"workload": workload, **found.as_json()})
    if not found.within:
        raise SystemExit(1)


def _deciding(command: Callable[..., None]) -> Callable[..., None]:
    """The arguments that approve and reject share."""
    for decorate in (
        click.pass_obj,
        click.option(
            "--approver",
            default=lambda: config.environment("MEDPIPE_APPROVER") or getpass.getuser(),
            help="Who decides.  [default: MEDPIPE_APPROVER, else this user]",
        ),
        click.option(
            "--reason",
            required=True,
            help="Why; it is signed into the certificate and must name no patient.",
        ),
        click.argument("run"),
    ):
        command = decorate(command)
    return command


@click.command()
@_deciding
def approve(root: Path, run: str, reason: str, approver: str) -> None:
    """Let the model that waits become champion; RUN is the flow run that waits, or its workload.

    The decision is signed first. A run that waits on a Prefect server then goes on there; where
    none does, gate, package and push follow here.

    \b
    Example
      medpipe approve chest_xray --reason "looked at the report with Dr Example"
    """
    layout, question = _found(root, run)
    decided = _decided(layout, question, approved=True, approver=approver, reason=reason)
    if question.run is not None:
        _resume(layout, decided)
        return
    is_new = not promotion.is_recalibration(layout, question.version)
    flow = embedded("release" if is_new else "recalibration", root)
    tell(*flow.run(layout.workload, root=root, approver=approver))


@click.command()
@_deciding
def reject(root: Path, run: str, reason: str, approver: str) -> None:
    """Refuse the model that waits; RUN is the flow run that waits, or its workload.

    \b
    Example
      medpipe reject chest_xray --reason "too few patients of ward 3"
    """
    layout, question = _found(root, run)
    decided = _decided(layout, question, approved=False, approver=approver, reason=reason)
    if question.run is not None:
        _resume(layout, decided)
    else:
        show(_outcome(decided))


def _found(root: Path, run: str) -> tuple[Layout, Approval]:
    """The question that `run`, a workload's or a flow run's name, is about."""
    names = config.workload_names(root)
    for name in [run] if run in names else names:
        layout = Layout(root, name)
        question = approvals.newest(layout)
        if question is not None and run in (name, question.run):
            return layout, question
    raise TrackingError(
        f"nothing that is called {run} waits for an answer; give a workload of this project "
        f"({', '.join(names)}) or the id of the flow run that waits"
    )


def _decided(layout: Layout, question: Approval, **decision: Any) -> Approval:
    return approvals.answer(layout, question.version, now=datetime.now(UTC), **decision)


def _resume(layout: Layout, decided: Approval) -> None:
    assert decided.answer is not None
    is_new = not promotion.is_recalibration(layout, decided.version)
    command = "promote" if is_new else "recalibrate"
    importlib.import_module("flows.approval").resume(decided, decided.answer, command=command)
    show({**_outcome(decided), "goes_on": decided.run})


def _outcome(decided: Approval) -> dict[str, Any]:
    names = ("workload", "version", "asked", "why")
    told = asdict(decided)
    return {**{name: told[name] for name in names}, **(told["answer"] or {})}
