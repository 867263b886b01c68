"""The training flow: DVC's stages one by one, held to the change plan, then gate, package and push.

``medpipe run WORKLOAD`` runs it here and now, ``prefect deployment run train/WORKLOAD`` on a
worker. Where the change plan asks a person, the flow suspends: its process ends, and the whole of
what waits is the signed question in the registry. It goes on in a new process, which finds that
question and so does not train again.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.concurrency.sync import concurrency

from flows import approval, console, late, notices, page, steps
from flows.release import released
from medpipe import files, promotion, stages, tracking
from medpipe.paths import Layout
from medpipe.plan.check import BY_HAND, Reason
from medpipe.project import open_workload
from medpipe.promotion import approval as approvals

GPU = "gpu"
"""The global concurrency limit that `medpipe deploy` makes; a killed run's slot is free again when
its lease ends, within five minutes."""
_JUDGE_DATA = ("validate",)
"""Stages after ingest that the data must pass before the change plan is asked about them."""


@task(task_run_name="{stage}")
def reproduce(stage: str, workload: str, *, root: Path) -> str:
    """Bring one stage up to date: "ran", or "unchanged" where DVC had nothing to do."""
    lines = steps.dvc("repro", "--single-item", f"{stage}@{workload}", root=root)
    return "unchanged" if any("didn't change, skipping" in line for line in lines) else "ran"


@task
def plan(workload: str, *, root: Path, reason: Reason) -> list[str]:
    """Hold the training that is to come against the change plan; why it may not be, in words."""
    opened = open_workload(workload, root)
    found = promotion.planned(opened.workload, opened.params, opened.layout, reason)
    logger = get_run_logger()
    logger.info("plan: %s", "within" if found.within else "outside")
    for line in found.broken:
        logger.warning("%s%s", line, "" if found.stops else " (by hand: it goes on, recorded)")
    return list(found.broken) if found.stops else []


@flow(
    name="train",
    flow_run_name="{workload}: {reason}",
    on_failure=[notices.on_failure],
    on_crashed=[notices.on_failure],
)
async def train(
    workload: str,
    reason: Reason = BY_HAND,
    note: str = "",
    root: Path | None = None,
    package_it: bool = True,
) -> dict[str, Any]:
    """Take a workload from its source to a gated, registered and packaged model.

    Parameters
    ----------
    workload : one of params.yaml's
    reason : why this run; schedule and drift are held to the change plan
    note : more about the reason, for the log
    root : the project; None for the folder that the worker stands in
    package_it : build the bento when the gate has allowed the model

    Returns
    -------
    dict
        What each stage did, the verdict and its reasons, the bento, and where to look; where it
        ended before training, `stopped` says why, and there is no verdict.
    """
    layout = Layout((root or Path()).resolve(), workload)
    run = approval.waiting_place()
    if note:
        get_run_logger().info("%s: %s", reason, note)
    missed = await late.superseded()
    # DVC refuses a second run in one checkout; here it waits for its turn instead.
    with files.locked(layout.home.training_lock):
        question = approvals.of_run(layout, run)
        if question is None and missed is not None:
            return _stopped(layout, {}, [missed])
        if question is None:
            outcome = _trained(layout, reason=reason, run=run, package_it=package_it)
            question = approvals.of_run(layout, run) if _waits(outcome) else None
            if question is not None:
                await page.ask(layout, question, outcome["verdict"])
                await page.notify(layout, outcome)
    if question is not None:
        answer = await approval.wait(layout, question)
        with files.locked(layout.home.training_lock):
            ended = released(
                layout, package_it=package_it, reason=reason, run=run, approver=answer.approver
            )
        outcome = {"stages": {}, **ended}
    await page.show(layout, outcome)
    await page.notify(layout, outcome)
    return outcome


def _waits(outcome: dict[str, Any]) -> bool:
    return outcome["verdict"] is not None and outcome["verdict"]["waits"] is not None


def _trained(
    layout: Layout, *, reason: Reason, run: str | None, package_it: bool
) -> dict[str, Any]:
    """Every step in order, each a task of the flow."""
    workload, root = layout.workload, layout.root
    waiting = approvals.waiting(layout, datetime.now(UTC))
    if waiting is not None and reason != BY_HAND:
        return _stopped(layout, {}, [approvals.spoken(waiting, None)])
    first, *rest = stages.NAMES
    done = {first: reproduce(first, workload, root=root)}
    # One question instead of five processes that find nothing to do.
    is_stale = steps.stale([f"{stage}@{workload}" for stage in rest], root=root)
    if is_stale:
        done |= {stage: reproduce(stage, workload, root=root) for stage in _JUDGE_DATA}
    if broken := plan(workload, root=root, reason=reason):
        return _stopped(layout, done, broken)
    if is_stale:
        done |= {
            stage: _with_gpu(stage, workload, root=root, run=run)
            for stage in rest
            if stage not in done
        }
    else:
        done |= dict.fromkeys(rest, "unchanged")
        get_run_logger().info("%s %s: unchanged", ", ".join(rest), workload)
    ended = released(layout, package_it=package_it, reason=reason, run=run)
    return {"stages": done, "stopped": None, **ended}


def _with_gpu(stage: str, workload: str, *, root: Path, run: str | None) -> str:
    """`reproduce`; on a server, what may take the GPU waits until no other run has it."""
    if (
        stage != "train"
        or run is None
        or open_workload(workload, root).params.train.device == "cpu"
    ):
        return reproduce(stage, workload, root=root)
    with concurrency(GPU, occupy=1):
        return reproduce(stage, workload, root=root)


def _stopped(layout: Layout, done: dict[str, str], why: list[str]) -> dict[str, Any]:
    """The outcome of a run that ended before training: a result, not an error."""
    get_run_logger().warning("stopped before training: %s", "; ".join(why))
    nothing = {"verdict": None, "bento": None, "pushed": "nothing"}
    return {"stages": done, "stopped": why, **nothing, "registry": tracking.shown_uri(layout)}


def run(
    workload: str, *, root: Path, reason: Reason, note: str, package: bool
) -> tuple[dict[str, Any], str]:
    """`train` in this process, with whatever Prefect server is configured or its embedded one.

    Returns
    -------
    The flow's outcome, and the same in words for a terminal.
    """
    console.calm()
    outcome = asyncio.run(train(workload, reason=reason, note=note, root=root, package_it=package))
    return outcome, page.farewell(Layout(root, workload), outcome)
