"""The scoring flow: ``medpipe score`` on what has come in, once a day."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task

from flows import late, steps
from flows.notices import on_failure


@task
def answer(workload: str, *, source: Path, out: Path, root: Path) -> dict[str, Any]:
    """The champion's answers for `source`, as one table."""
    out.parent.mkdir(parents=True, exist_ok=True)
    return steps.medpipe("score", workload, "--source", str(source), "--out", str(out), root=root)


@flow(
    name="score",
    flow_run_name="{workload}",
    on_failure=[on_failure],
    on_crashed=[on_failure],
)
async def score(
    workload: str, source: str = "", out: str = "", root: Path | None = None
) -> dict[str, Any]:
    """Let the champion answer for every example that has come in.

    Parameters
    ----------
    workload : one of params.yaml's
    source : folder or table, relative to the project; empty: incoming/<workload>
    out : the table to make; empty: scored/<workload>/<day>.parquet
    root : the project; None for the folder that the worker stands in
    """
    folder = (root or Path()).resolve()
    place = folder / (source or f"incoming/{workload}")
    table = folder / (out or f"scored/{workload}/{datetime.now(UTC):%Y-%m-%d}.parquet")
    reason = await late.superseded()
    if reason is None and not place.exists():
        reason = f"nothing has come in: there is no {place}"
    if reason is None and table.exists():
        reason = f"done already: {table}"
    if reason is not None:
        get_run_logger().info("score %s: %s", workload, reason)
        return {"workload": workload, "summary": reason}
    return answer(workload, source=place, out=table, root=folder)
