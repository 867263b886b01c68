"""The release flow: gate, package and push of the model that lies in the project.

The end of every training, and the whole of what is left when a person has approved a model.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task

from flows import console, notices, page, steps
from medpipe import files, promotion, tracking
from medpipe import package as packaging
from medpipe.errors import TrackingError
from medpipe.image import foundation
from medpipe.paths import Layout
from medpipe.plan.check import BY_HAND, Reason
from medpipe.project import open_workload


async def world_failed(_task: Any, _run: Any, state: Any) -> bool:
    """Whether trying again can help: MLflow was out of reach, not the model too bad."""
    return isinstance(await state.aresult(raise_on_failure=False), TrackingError)


@task(retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=world_failed)
def promote(
    workload: str,
    *,
    root: Path,
    reason: Reason = BY_HAND,
    run: str | None = None,
    approver: str = promotion.POLICY,
) -> dict[str, Any]:
    """Let the gate decide, and release the model if it is allowed."""
    opened = open_workload(workload, root)
    verdict = promotion.promote(
        opened.workload, opened.params, opened.layout, reason=reason, run=run, approver=approver
    )
    get_run_logger().info("promote: %s", page.headline(verdict))
    return verdict


@task
def package(workload: str, *, root: Path) -> dict[str, Any]:
    """Build the bento that serves the champion."""
    opened = open_workload(workload, root)
    built = packaging.package([opened.layout], foundation.cpu(opened.params.image))
    get_run_logger().info("package: %s, %.1f MiB", built["tag"], built["mib"])
    return built


@task(retries=2, retry_delay_seconds=[5, 30])
def push(*, root: Path) -> str:
    """Copy data and models to DVC's default remote; "no remote" where none is configured."""
    remotes = steps.dvc("remote", "list", root=root, shown=False)
    there = any("(default)" in line for line in remotes)
    pushed = steps.dvc("push", root=root, shown=False)[-1] if there else "no remote"
    get_run_logger().info("push: %s", pushed)
    return pushed


def released(
    layout: Layout,
    *,
    package_it: bool,
    reason: Reason = BY_HAND,
    run: str | None = None,
    approver: str = promotion.POLICY,
) -> dict[str, Any]:
    """Gate, bento and push, each a task of the flow that calls this; what came of them."""
    workload, root = layout.workload, layout.root
    verdict = promote(workload, root=root, reason=reason, run=run, approver=approver)
    is_champion = verdict["allowed"] and verdict["version"] == verdict["champion"]
    return {
        "verdict": verdict,
        "bento": package(workload, root=root) if package_it and is_champion else None,
        "pushed": push(root=root),
        "registry": tracking.shown_uri(layout),
    }


@flow(
    name="release",
    flow_run_name="{workload}",
    on_failure=[notices.on_failure],
    on_crashed=[notices.on_failure],
)
async def release(
    workload: str,
    approver: str = promotion.POLICY,
    root: Path | None = None,
    package_it: bool = True,
) -> dict[str, Any]:
    """Let the gate decide on the model that lies in the project, package it and push.

    Parameters
    ----------
    workload : one of params.yaml's
    approver : who answers for it; a version that was rolled back needs a person here
    root : the project; None for the folder that the worker stands in
    package_it : build the bento when the gate has allowed the model
    """
    layout = Layout((root or Path()).resolve(), workload)
    with files.locked(layout.home.training_lock):
        outcome = released(layout, package_it=package_it, approver=approver)
    outcome = {"stages": {}, **outcome}
    await page.show(layout, outcome)
    await page.notify(layout, outcome)
    return outcome


def run(workload: str, *, root: Path, approver: str) -> tuple[dict[str, Any], str]:
    """`release` in this process; gives the flow's outcome, and the same in words."""
    console.calm()
    outcome = asyncio.run(release(workload, approver=approver, root=root))
    return outcome, page.farewell(Layout(root, workload), outcome)
