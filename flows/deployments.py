"""Prefect's side of a project, applied: pool, deployments, the GPU's limit, drift's automation."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from prefect.automations import Automation
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from flows import lost
from flows.monitoring import DRIFTED
from flows.training import GPU
from medpipe import config
from medpipe.errors import MedpipeError, ParamsError

FLOWS = ("train", "monitor", "score", "release", "recalibrate")
"""What every workload has a deployment of."""
ON_DRIFT = {"retrain": "train", "recalibrate": "recalibrate"}
"""What a drifted verdict may ask for, and the flow that does it."""
FILE = "prefect.yaml"
POOL = "medpipe"
_SILENT = timedelta(minutes=3)
"""Without a heartbeat for so long, a process is gone."""


class DeployError(MedpipeError):
    """There is no server to deploy to, or Prefect refused prefect.yaml."""


def deploy(root: Path) -> dict[str, Any]:
    """Apply prefect.yaml to the server that is configured; doing it again changes nothing.

    Raises
    ------
    ParamsError : prefect.yaml lacks a workload of params.yaml; the message has the lines to write
    DeployError : no server is configured, or it refused
    """
    server = get_current_settings().api.url
    if not server:
        raise DeployError(
            "no Prefect server is configured: start one (`prefect server start`) and set "
            "PREFECT_API_URL, as docs/schedule.md shows"
        )
    names = config.workload_names(root)
    there, wanted = deployed(root), [f"{flow}/{name}" for name in names for flow in FLOWS]
    ensure_whole(there, names)
    asyncio.run(_prepare())
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy"]
    command += [part for name in wanted for part in ("--name", name)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DeployError(f"Prefect refused {FILE}: {(done.stdout + done.stderr)[-2000:]}")
    return {
        "server": server,
        "deployments": wanted,
        "left_out": sorted({"/".join(each) for each in there}.difference(wanted)),
        "automations": asyncio.run(_automate(names)),
        "next": f"prefect worker start --pool {POOL}",
    }


def deployed(root: Path) -> set[tuple[str, str]]:
    """Pairs of flow and workload in prefect.yaml."""
    content = yaml.safe_load((root / FILE).read_text(encoding="utf-8"))
    return {(each["entrypoint"].split(":")[1], each["name"]) for each in content["deployments"]}


def ensure_whole(there: set[tuple[str, str]], names: list[str]) -> None:
    """Raise ParamsError unless prefect.yaml has each of `FLOWS` for all workloads, `names`."""
    if missing := sorted({(flow, name) for flow in FLOWS for name in names} - there):
        lines = "".join(f"\n  {line(flow, name)}" for flow, name in missing)
        raise ParamsError(f"{FILE} lacks deployments; write below `deployments:`{lines}")


def line(flow: str, name: str) -> str:
    """The line of prefect.yaml that deploys `flow` for workload `name`."""
    reason = ", reason: schedule" if flow == "train" else ""
    return (
        f"- {{<<: *{flow}, name: {name}, parameters: {{workload: {name}{reason}}}, "
        f"tags: [medpipe, {flow}, {name}]}}"
    )


async def _prepare() -> None:
    """The work pool and the GPU's limit; what a person has changed stays as it is."""
    async with get_client() as client:
        try:
            await client.read_work_pool(POOL)
        except ObjectNotFound:
            await client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        try:
            await client.read_global_concurrency_limit_by_name(GPU)
        except ObjectNotFound:
            await client.create_global_concurrency_limit(
                GlobalConcurrencyLimitCreate(name=GPU, limit=1)
            )


async def _automate(names: list[str]) -> list[str]:
    """Every automation, made anew; their names."""
    async with get_client() as client:
        made = [orphans()]
        for name in names:
            for action, flow in ON_DRIFT.items():
                deployment = await client.read_deployment_by_name(f"{flow}/{name}")
                made.append(automation(name, action, deployment.id))
        for each in made:
            await _apply(client, each)
    return [each.name for each in made]


async def _apply(client: PrefectClient, wanted: Automation) -> None:
    for found in await client.read_automations_by_name(wanted.name):
        await client.delete_automation(found.id)
    await wanted.acreate()


def automation(name: str, action: str, deployment: UUID) -> Automation:
    """What starts the `deployment` of workload `name` when drift asks for `action`."""
    note = {"__prefect_kind": "jinja", "template": "{{ event.payload.reasons }}"}
    return Automation(
        name=f"medpipe: {action} {name} on drift",
        description="Made by `medpipe deploy`; the change plan has a say, and so has the gate.",
        trigger=EventTrigger(
            expect={DRIFTED},
            match={"prefect.resource.id": f"medpipe.workload.{name}", "medpipe.action": action},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[
            RunDeployment(
                deployment_id=deployment,
                parameters={"workload": name, "reason": "drift", "note": note},
            )
        ],
    )


def orphans(silent: timedelta = _SILENT) -> Automation:
    """What calls a run crashed whose process was killed, so that the next one need not wait for it.

    A process that lives sends a heartbeat every half minute (prefect.toml). One that has ended, or
    waits for a person, has said so. A run that a worker had taken when it was killed has none yet,
    and no other worker takes it: the way from there to the first heartbeat is watched as well.

    Parameters
    ----------
    silent : without a sign of life for so long, a process is gone
    """
    beats = "heartbeat"
    taken = ("Pending", "Submitting", "InfrastructurePending", "Running", "Retrying")
    ended = ("Completed", "Failed", "Cancelled", "Cancelling", "Crashed", "Suspended", "Paused")
    later = ("AwaitingRetry", "AwaitingConcurrencySlot", "Scheduled", "Resuming")
    return Automation(
        name="medpipe: a run whose process is gone has crashed",
        description="Made by `medpipe deploy`; `prefect deployment run` starts it again.",
        trigger=EventTrigger(
            after=_of_runs(beats, *taken),
            expect=_of_runs(beats, *taken, *ended, *later),
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=silent,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=f"{lost.SILENT} in {silent}")],
    )


def _of_runs(*names: str) -> set[str]:
    """The events by which Prefect tells them."""
    return {f"prefect.flow-run.{name}" for name in names}
