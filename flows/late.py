"""Runs that were due while no worker was there: of several, only the newest is worth its time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.context import FlowRunContext


async def superseded() -> str | None:
    """Why this run need not do anything: the schedule made a later one, which is due as well.

    None where it should go on; so does whatever a person or an event has started.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if run is None or run.deployment_id is None or not run.auto_scheduled:
        return None
    due = run.expected_start_time
    if due is None:
        return None
    after = FlowRunFilter(
        expected_start_time=FlowRunFilterExpectedStartTime(after_=due, before_=datetime.now(UTC))
    )
    whose = DeploymentFilter(id=DeploymentFilterId(any_=[run.deployment_id]))
    async with get_client() as client:
        found = await client.read_flow_runs(flow_run_filter=after, deployment_filter=whose)
    others = (each for each in found if each.auto_scheduled and not _is_cancelled(each))
    newest = later((each.expected_start_time for each in others), due)
    if newest is None:
        return None
    return f"missed: it was due at {due:%F %T}, and a later one at {newest:%F %T}"


def _is_cancelled(run: FlowRun) -> bool:
    return run.state_type in (StateType.CANCELLED, StateType.CANCELLING)


def later(times: Iterable[datetime | None], due: datetime) -> datetime | None:
    """The last of `times` that is after `due`; None where there is none."""
    return max((time for time in times if time is not None and time > due), default=None)
