"""The recalibration flow: ``medpipe recalibrate``, the bento, and a person where the plan asks one.

Started by hand, or by the event of a drifted verdict whose action is `recalibrate`. Where a person
is asked the flow suspends, as a training does.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task

from flows import approval, console, notices, page
from flows.release import package, push, world_failed
from medpipe import files, promotion
from medpipe.paths import Layout
from medpipe.plan.check import BY_HAND, Reason
from medpipe.project import open_workload
from medpipe.promotion import approval as approvals


@task(retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=world_failed)
def correct(
    workload: str,
    *,
    root: Path,
    reason: Reason,
    days: int | None = None,
    run: str | None = None,
    approver: str = promotion.POLICY,
) -> dict[str, Any]:
    """Fit, judge, and release what is allowed."""
    opened = open_workload(workload, root)
    verdict = promotion.recalibrate(
        opened.workload,
        opened.params,
        opened.layout,
        days=days,
        reason=reason,
        run=run,
        approver=approver,
    )
    get_run_logger().info("%s", headline(verdict))
    return verdict


@flow(
    name="recalibrate",
    flow_run_name="{workload}: {reason}",
    on_failure=[notices.on_failure],
    on_crashed=[notices.on_failure],
)
async def recalibrate(
    workload: str,
    reason: Reason = BY_HAND,
    note: str = "",
    days: int | None = None,
    approver: str = promotion.POLICY,
    root: Path | None = None,
    package_it: bool = True,
) -> dict[str, Any]:
    """Put the champion's risks right by answers whose outcome is known, and package the result.

    Parameters
    ----------
    workload : one of params.yaml's
    reason : why this run; drift is held to the change plan
    note : more about the reason, for the log
    days : answers no older than this are looked at; none: as the plan says
    approver : who answers for it; a recalibration that was rolled back needs a person
    root : the project; None for the folder that the worker stands in
    package_it : build the bento when it is allowed
    """
    layout = Layout((root or Path()).resolve(), workload)
    run = approval.waiting_place()
    if note:
        get_run_logger().info("%s: %s", reason, note)
    given: dict[str, Any] = {"reason": reason, "run": run, "package_it": package_it}
    question = approvals.of_run(layout, run)
    if question is None:
        with files.locked(layout.home.training_lock):
            outcome = _done(layout, **given, days=days, approver=approver)
        question = approvals.of_run(layout, run) if outcome["verdict"]["waits"] else None
        if question is not None:
            told = approvals.spoken(question, None)
            await page.publish(layout, "approval", told, markdown(outcome["verdict"]))
            await page.notify(layout, outcome)
    if question is not None:
        answer = await approval.wait(layout, question)
        with files.locked(layout.home.training_lock):
            outcome = _done(layout, **given, approver=answer.approver)
    verdict = outcome["verdict"]
    await page.publish(layout, "recalibration", headline(verdict), markdown(verdict))
    await page.notify(layout, outcome)
    return outcome


def run(workload: str, *, root: Path, approver: str) -> tuple[dict[str, Any], str]:
    """`recalibrate` in this process; gives the flow's outcome, and the same in words."""
    console.calm()
    outcome = asyncio.run(recalibrate(workload, approver=approver, root=root))
    verdict = outcome["verdict"]
    said = [headline(verdict), *(f"  {each}" for each in verdict["words"])]
    return outcome, "\n".join(["", *said, *(f"  ✘ {each}" for each in verdict["reasons"]), ""])


def headline(verdict: dict[str, Any]) -> str:
    """The verdict in one sentence."""
    version = f" as version {verdict['version']}" if verdict["version"] else ""
    return f"{verdict['workload']} recalibrated{version}: {verdict['summary']}"


def markdown(verdict: dict[str, Any]) -> str:
    """The page: what was found, every check, and what to type."""
    found = "\n".join(f"- {each}" for each in verdict["words"])
    checks = "\n".join(
        f"| {'✔' if check['passed'] else '✘'} | {check['name']} | {check['why']} |"
        for check in verdict["checks"]
    )
    commands = page.answers(verdict["waits"]) or [
        ("who is champion", f"medpipe status {verdict['workload']}")
    ]
    following = "\n".join(f"- {what}: `{command}`" for what, command in commands)
    return f"""# {headline(verdict)}

{found}

## What was checked
|  | check | why |
| --- | --- | --- |
{checks}

## What to type next
{following}
"""


def _done(
    layout: Layout,
    *,
    reason: Reason,
    run: str | None,
    package_it: bool,
    approver: str,
    days: int | None = None,
) -> dict[str, Any]:
    """Correction, bento and push, each a task of the flow."""
    workload, root = layout.workload, layout.root
    verdict = correct(workload, root=root, reason=reason, days=days, run=run, approver=approver)
    allowed = verdict["allowed"]
    return {
        "verdict": verdict,
        "bento": package(workload, root=root) if package_it and allowed else None,
        "pushed": push(root=root) if allowed else "nothing",
    }
