"""How a person's approval travels over a Prefect server; the answer itself is a signed record.

Prefect only carries it: a run that is suspended, a form on its page, a run that goes on. What was
decided stands in `medpipe.promotion.approval` alone, whichever way it came.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from prefect import get_run_logger
from prefect.context import FlowRunContext
from prefect.exceptions import FlowPauseTimeout, NotPausedError, ObjectNotFound
from prefect.flow_runs import aresume_flow_run, asuspend_flow_run
from prefect.input import RunInput
from prefect.settings import get_current_settings
from pydantic import Field

from medpipe.errors import MedpipeError
from medpipe.paths import Layout
from medpipe.promotion import approval as approvals
from medpipe.promotion.approval import Answer, Approval

_GRACE_S = 3600
"""A run is let go so long after the policy has answered in its place."""
_KEY = "approval"


class Decision(RunInput):
    """The form that Prefect shows on a suspended run's page."""

    decision: Literal["approve", "reject"]
    approver: str = Field(min_length=1, max_length=500, description="your name")
    reason: str = Field(min_length=1, max_length=500, description="why; it names no patient")


class NotWaitingError(MedpipeError):
    """The flow run does not wait, or its Prefect server is out of reach."""


def waiting_place() -> str | None:
    """The id of this flow run, if it can be suspended: one that a worker started."""
    context = FlowRunContext.get()
    found = context.flow_run if context is not None else None
    return str(found.id) if found is not None and found.deployment_id else None


async def wait(layout: Layout, question: Approval) -> Answer:
    """Suspend the flow until a person has answered; in the process that goes on, the answer."""
    now = datetime.now(UTC)
    answer = approvals.answered(question, now)
    if answer is None:
        get_run_logger().warning("%s", approvals.spoken(question, None))
    seconds = (datetime.fromisoformat(question.until) - now).total_seconds() + _GRACE_S
    form = await asuspend_flow_run(
        wait_for_input=Decision, timeout=max(int(seconds), _GRACE_S), key=_KEY
    )
    if answer is None:  # Prefect's own form was filled in; the command line has signed before
        approvals.answer(
            layout,
            question.version,
            approved=form.decision == "approve",
            approver=form.approver,
            reason=form.reason,
            now=now,
        )
        return Answer(form.decision == "approve", form.approver, form.reason, now.isoformat())
    return answer


def resume(question: Approval, answer: Answer, *, command: str) -> None:
    """Let the flow run that waits for `question` go on.

    Parameters
    ----------
    command : what of medpipe acts on the answer without that run

    Raises
    ------
    NotWaitingError : it does not wait any more, or no server is configured; `answer` stands anyway
    """
    assert question.run is not None
    signed = f"the decision on version {question.version} is signed, but"
    anyway = f"`medpipe {command} {question.workload}` acts on it without that run"
    if not get_current_settings().api.url:
        raise NotWaitingError(
            f"{signed} flow run {question.run} waits on a Prefect server: set PREFECT_API_URL and "
            f"type the same again; {anyway}"
        )
    form: dict[str, Any] = {
        "decision": "approve" if answer.approved else "reject",
        "approver": answer.approver,
        "reason": answer.reason,
    }
    try:
        asyncio.run(aresume_flow_run(UUID(question.run), run_input=form))
    except (NotPausedError, FlowPauseTimeout, ObjectNotFound):
        raise NotWaitingError(
            f"{signed} flow run {question.run} does not wait any more; {anyway}"
        ) from None
