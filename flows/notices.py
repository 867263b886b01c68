"""Notices to people, through Prefect's blocks: who is told of what stands in params.yaml.

A block is made when it is needed, with its address from the environment: no server keeps one. A
notice that cannot be sent is a line of the log; the run goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
from prefect.blocks.abstract import NotificationBlock, NotificationError
from prefect.blocks.notifications import (
    AppriseNotificationBlock,
    CustomWebhookNotificationBlock,
    MicrosoftTeamsWebhook,
    SlackWebhook,
)
from pydantic import SecretStr

from medpipe import config
from medpipe.errors import MedpipeError, ParamsError
from medpipe.notify import NotifyParams, Occasion, Way

_log = logging.getLogger(__name__)


class ByApprise(AppriseNotificationBlock):
    """Whatever Apprise has an address for: ``mailtos://``, ``mmosts://``, ``matrixs://``."""

    url: SecretStr


_BLOCKS: dict[Way, Callable[[str], NotificationBlock]] = {
    "webhook": lambda address: CustomWebhookNotificationBlock(
        name="medpipe", url=address, json_data={"subject": "{{subject}}", "body": "{{body}}"}
    ),
    "slack": lambda address: SlackWebhook(url=SecretStr(address)),
    "teams": lambda address: MicrosoftTeamsWebhook(url=SecretStr(address)),
    "email": lambda address: ByApprise(url=SecretStr(address)),
    "apprise": lambda address: ByApprise(url=SecretStr(address)),
}


def _made(by: Way, address: str) -> NotificationBlock:
    """The block for `address`.

    Raises
    ------
    ParamsError : Apprise knows no such address; Prefect would take it, and send nothing. The text
        does not spell it
    """
    what = {"slack": "an address of hooks.slack.com", "teams": "a workflow's address of Teams"}
    wrong = ParamsError(f"is not {what.get(by, 'an address that Apprise knows')}")
    try:
        block = _BLOCKS[by](address)
    except ValueError:
        raise wrong from None
    client = getattr(block, "_apprise_client", None)
    if client is not None and not len(client):
        raise wrong
    return block


async def send(root: Path, occasion: Occasion, workload: str, lines: Sequence[str]) -> list[str]:
    """Tell everyone whom section `notify` names for `occasion`; gives who was reached.

    Parameters
    ----------
    lines : what to say: sentences that name no patient, and quote no data
    """
    reached = []
    for name, receiver in config.shared(root, NotifyParams, "notify").to.items():
        if occasion not in receiver.when:
            continue
        address = config.environment(receiver.address)
        if address is None:
            _log.warning("notify.to.%s: %s is not set; nothing is sent", name, receiver.address)
            continue
        try:
            block = _made(receiver.by, address)
            await block.notify("\n".join(lines), subject=f"medpipe: {workload} {occasion}")
            reached.append(name)
        except ParamsError as error:
            _log.warning("notify.to.%s: not sent (%s %s)", name, receiver.address, error)
        except (httpx.HTTPError, NotificationError, ValueError) as error:
            # Its text may spell the address, which is a secret.
            _log.warning("notify.to.%s: not sent (%s)", name, type(error).__name__)
    return reached


def tell(root: Path, occasion: Occasion, workload: str, lines: Sequence[str]) -> list[str]:
    """`send`, for a command."""
    return asyncio.run(send(root, occasion, workload, lines))


async def on_failure(flow: Any, flow_run: Any, state: Any) -> None:
    """Prefect's hook for a run that failed or crashed."""
    parameters = flow_run.parameters
    error = await state.aresult(raise_on_failure=False) if state.is_failed() else None
    # The words of other libraries' errors may quote data.
    why = str(error) if isinstance(error, MedpipeError) else type(error).__name__
    if state.is_crashed():
        why = "its process ended"
    root = Path(parameters.get("root") or ".").resolve()
    try:
        await send(
            root, "failed", parameters["workload"], [f"{flow.name} {flow_run.name} failed: {why}"]
        )
    except ParamsError as wrong:
        _log.warning("nobody is told: %s", wrong)
