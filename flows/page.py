"""What an operator sees of a training run: one page in Prefect, one line in the log."""

from __future__ import annotations

from shlex import quote
from typing import Any

from prefect.artifacts import acreate_markdown_artifact

from medpipe.files import read_json
from medpipe.outcome import measured
from medpipe.paths import Layout


async def show(layout: Layout, outcome: dict[str, Any]) -> None:
    """Put the run's page among Prefect's artifacts, under the workload's key."""
    report = read_json(layout.report, made_by=f"dvc repro evaluate@{layout.workload}")
    await acreate_markdown_artifact(
        key=f"{layout.workload.replace('_', '-')}-training",
        description=headline(outcome["verdict"]),
        markdown=markdown(layout, report, outcome),
    )


def headline(verdict: dict[str, Any]) -> str:
    """The verdict in one sentence."""
    return f"{verdict['workload']} version {verdict['version']}: {verdict['summary']}"


def markdown(layout: Layout, report: dict[str, Any], outcome: dict[str, Any]) -> str:
    """The page: verdict, headline metrics with intervals, checks, stages, and where to look."""
    test = report["splits"]["test"]
    metrics = "\n".join(
        f"| {name} | {measured(found)} |" for name, found in test["metrics"].items()
    )
    checks = "\n".join(
        f"| {'✔' if check['passed'] else '✘'} | {check['name']} | {check['why']} |"
        for check in outcome["verdict"]["checks"]
    )
    stages = "\n".join(f"| {name} | {done} |" for name, done in outcome["stages"].items())
    places = {
        "report (open in a browser)": layout.evaluation / "report.html",
        "validation": layout.validation,
        "release": layout.champion,
        "what ingest refused (this machine only)": layout.quarantine,
    }
    where = "\n".join(f"- {name}: `{path}`" for name, path in places.items())
    return f"""# {headline(outcome["verdict"])}

Measured on {test["examples"]} examples of {test["groups"]} patients that no training saw.

| metric | value ({_confidence(report)} interval) |
| --- | --- |
{metrics}

## What the gate checked
|  | check | why |
| --- | --- | --- |
{checks}

## What each stage did
| stage | |
| --- | --- |
{stages}

## Where to look
{where}
- MLflow run: `{report["run_id"]}`
- bento: `{(outcome["bento"] or {}).get("tag", "none built")}`
- data and models pushed: {outcome["pushed"]}
"""


def farewell(layout: Layout, outcome: dict[str, Any]) -> str:
    """What a person at a terminal wants to know at the end: result, verdict, where, what next."""
    report = read_json(layout.report, made_by=f"dvc repro evaluate@{layout.workload}")
    test = report["splits"]["test"]
    shown = report["objective"]["shown"]
    longest = max(map(len, shown))
    numbers = "\n".join(f"  {name:<{longest}}  {measured(test['metrics'][name])}" for name in shown)
    patients = f"{test['examples']} test examples of {test['groups']} patients"
    reasons = "".join(f"\n  ✘ {reason}" for reason in outcome["verdict"]["reasons"])
    bento = outcome["bento"]
    store = quote(str(layout.home.bentos))
    record = quote(f"sqlite:///{layout.home.audit_database.resolve()}")
    settings = f"MEDPIPE_AUDIT={record} BENTOML_HOME={store}"
    serve = f"{settings} bentoml serve {bento['tag']}" if bento else ""
    following = [
        ("look at the report", f"open {quote(str(layout.evaluation / 'report.html'))}"),
        ("who is champion", f"medpipe status {layout.workload}"),
        ("serve the champion", "bentoml serve"),
        ("serve the bento", serve),
        ("see the runs", f"mlflow ui --backend-store-uri {quote(outcome['registry'])}"),
    ]
    width = max(len(what) for what, _ in following)
    after = "\n".join(f"  {what:<{width}}  {command}" for what, command in following if command)
    return f"""
{report["title"]}: {patients} ({_confidence(report)} intervals)
{numbers}

{headline(outcome["verdict"])}{reasons}

What to type next
{after}
"""


def _confidence(report: dict[str, Any]) -> str:
    return f"{100 * report['confidence']:g} %"
