"""The training flow: DVC's stages one by one, then gate, package and push.

``medpipe run WORKLOAD`` runs it here and now, ``prefect deployment run train/WORKLOAD`` on a
worker.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task

from flows import console, page, steps
from medpipe import files, promotion, stages, tracking
from medpipe import package as packaging
from medpipe.errors import TrackingError
from medpipe.image import foundation
from medpipe.paths import Layout
from medpipe.project import open_workload


@task(task_run_name="{stage}")
def reproduce(stage: str, workload: str, *, root: Path) -> str:
    """Bring one stage up to date: "ran", or "unchanged" where DVC had nothing to do."""
    lines = steps.dvc("repro", "--single-item", f"{stage}@{workload}", root=root)
    return "unchanged" if any("didn't change, skipping" in line for line in lines) else "ran"


async def _world_failed(_task: Any, _run: Any, state: Any) -> bool:
    """Whether trying again can help: MLflow was out of reach, not the model too bad."""
    return isinstance(await state.aresult(raise_on_failure=False), TrackingError)


@task(retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=_world_failed)
def promote(workload: str, *, root: Path) -> dict[str, Any]:
    """Let the gate decide, and release the model if it is allowed."""
    opened = open_workload(workload, root)
    verdict = promotion.promote(opened.workload, opened.params, opened.layout)
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


@flow(
    name="train",
    flow_run_name="{workload}: {reason}",
)
async def train(
    workload: str, reason: str = "manual", root: Path | None = None, package_it: bool = True
) -> dict[str, Any]:
    """Take a workload from its source to a gated, registered and packaged model.

    Parameters
    ----------
    workload : one of params.yaml's
    reason : why this run; stands in the run's name
    root : the project; None for the folder that the worker stands in
    package_it : build the bento when the gate has allowed the model

    Returns
    -------
    dict
        What each stage did, the verdict and its reasons, the bento, and where to look.
    """
    folder = (root or Path()).resolve()
    layout = Layout(folder, workload)
    # DVC refuses a second run in one checkout; here it waits for its turn instead.
    with files.locked(layout.home.folder / "training.lock"):
        outcome = _trained(layout, package_it=package_it)
    await page.show(layout, outcome)
    return outcome


def _trained(layout: Layout, *, package_it: bool) -> dict[str, Any]:
    """Every step in order, each a task of the flow."""
    workload, root = layout.workload, layout.root
    first, *rest = stages.NAMES
    done = {first: reproduce(first, workload, root=root)}
    # One question instead of five processes that find nothing to do.
    if steps.stale([f"{stage}@{workload}" for stage in rest], root=root):
        done |= {stage: reproduce(stage, workload, root=root) for stage in rest}
    else:
        done |= dict.fromkeys(rest, "unchanged")
        get_run_logger().info("%s %s: unchanged", ", ".join(rest), workload)
    verdict = promote(workload, root=root)
    built = package(workload, root=root) if package_it and verdict["allowed"] else None
    return {
        "stages": done,
        "verdict": verdict,
        "bento": built,
        "pushed": push(root=root),
        "registry": tracking.shown_uri(layout),
    }


def run(workload: str, *, root: Path, reason: str, package: bool) -> tuple[dict[str, Any], str]:
    """`train` in this process, with whatever Prefect server is configured or its embedded one.

    Returns
    -------
    The flow's outcome, and the same in words for a terminal.
    """
    console.calm()
    outcome = asyncio.run(train(workload, reason=reason, root=root, package_it=package))
    return outcome, page.farewell(Layout(root, workload), outcome)
