"""The monitoring flow: ``medpipe monitor``, and the event that may start a training.

It also tells of runs that were killed, since they cannot.

Drift never promotes: it starts a training, which the change plan may stop and the gate may refuse.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.events import emit_event

from flows import late, lost, notices, steps
from medpipe import files
from medpipe.paths import Layout
from medpipe.project import open_workload

DRIFTED = "medpipe.drifted"
"""Name of the event."""


@task
def judge(workload: str, *, root: Path) -> dict[str, Any]:
    """What becomes of a model on probation, or of a new champion: ``{verb, version, why, …}``."""
    found = steps.medpipe("release", workload, "--judge", root=root)
    get_run_logger().info("release %s: %s", workload, found["summary"])
    return found


@task
def watch(workload: str, *, root: Path) -> dict[str, Any]:
    """The verdict: ``{verdict, action, reasons, …}``."""
    found = steps.medpipe("monitor", workload, "--json", root=root)
    get_run_logger().info("monitor %s: %s, %s", workload, found["verdict"], found["action"])
    return found


@flow(
    name="monitor",
    flow_run_name="{workload}",
    on_failure=[notices.on_failure],
    on_crashed=[notices.on_failure],
)
async def monitor(workload: str, root: Path | None = None) -> dict[str, Any]:
    """Judge a new model by its answers; hold questions against the reference, and tell of drift.

    Parameters
    ----------
    workload : one of params.yaml's
    root : the project; None for the folder that the worker stands in
    """
    layout = Layout((root or Path()).resolve(), workload)
    reason = await late.superseded()
    if reason is not None:
        get_run_logger().info("monitor %s: %s", workload, reason)
        return {"workload": workload, "summary": reason}
    judge(workload, root=layout.root)  # first: nothing else takes a bad model away
    for line in await lost.tell(layout, now=datetime.now(UTC)):
        get_run_logger().error("%s", line)
    found = watch(workload, root=layout.root)
    if found["verdict"] == "drifted":
        cooldown_h = open_workload(workload, layout.root).params.plan.cooldown_h
        told = await tell(layout, found, cooldown_h=cooldown_h, now=datetime.now(UTC))
        get_run_logger().info("drift: %s", "told" if told else "told already, cooling down")
    return found


async def tell(layout: Layout, found: dict[str, Any], *, cooldown_h: float, now: datetime) -> bool:
    """Emit the event of a drifted verdict; False where the same was told within the cooldown.

    What was told lies on this machine. It is written after the event: who is killed in between
    tells it twice, and the second training finds nothing to do.
    """
    last = _last(layout)
    if last is not None and is_repeated(last, found["action"], cooldown_h=cooldown_h, now=now):
        return False
    emit_event(
        DRIFTED,
        resource={
            "prefect.resource.id": f"medpipe.workload.{layout.workload}",
            "medpipe.action": found["action"],
        },
        payload={"reasons": "; ".join(found["reasons"])},
    )
    await notices.send(
        layout.root, "drifted", layout.workload, [f"to do: {found['action']}", *found["reasons"]]
    )
    files.write_json(layout.drift, {"action": found["action"], "at": now.isoformat()})
    return True


def is_repeated(last: dict[str, str], action: str, *, cooldown_h: float, now: datetime) -> bool:
    """Whether `last` was told asks for the same, less than `cooldown_h` ago."""
    cooled = now - datetime.fromisoformat(last["at"]) >= timedelta(hours=cooldown_h)
    return last["action"] == action and not cooled


def _last(layout: Layout) -> dict[str, str] | None:
    if not layout.drift.exists():
        return None
    told: dict[str, str] = json.loads(layout.drift.read_text(encoding="utf-8"))
    return told
