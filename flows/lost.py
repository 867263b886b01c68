"""Runs whose process was killed: they could tell nobody, so the next look of the monitor does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from flows import notices
from medpipe import files
from medpipe.paths import Layout

SILENT = "no sign of life"
"""How the message of a state begins by which `medpipe deploy`'s automation calls a run crashed."""
_FIRST_LOOK = timedelta(days=1)


async def tell(layout: Layout, *, now: datetime) -> list[str]:
    """Tell who wants to hear of failures which runs were lost since the last time; gives the lines.

    What was told lies on this machine, and is written afterwards: who is killed in between tells it
    twice.
    """
    since = now - _FIRST_LOOK
    if layout.lost.exists():
        told = files.read_json(layout.lost, made_by="the monitor")
        since = datetime.fromisoformat(told["until"])
    filters = FlowRunFilter(
        tags=FlowRunFilterTags(all_=["medpipe", layout.workload]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CRASHED])),
    )
    async with get_client() as client:
        found = await client.read_flow_runs(
            flow_run_filter=filters, sort=FlowRunSort.EXPECTED_START_TIME_DESC
        )
        lines = [
            _line(run, (await client.read_flow(run.flow_id)).name, layout.workload)
            for run in found
            if _since(run) > since
        ]
    if lines:
        await notices.send(layout.root, "failed", layout.workload, lines)
    files.write_json(layout.lost, {"until": now.isoformat()})
    return lines


def _since(run: FlowRun) -> datetime:
    """When it was called so; long ago for one whose process ended by itself, and said so."""
    state = run.state
    is_silent = state is not None and (state.message or "").startswith(SILENT)
    return state.timestamp if state is not None and is_silent else datetime.min.replace(tzinfo=UTC)


def _line(run: FlowRun, flow: str, workload: str) -> str:
    return (
        f"{flow} {run.name}: its process was killed, {_since(run):%F %T} UTC at the latest; "
        f"`prefect deployment run '{flow}/{workload}'` starts it again"
    )
