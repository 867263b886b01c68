"""What an operator sees of a training run: one page in Prefect, one line in the log."""

from __future__ import annotations

from shlex import quote
from typing import Any

from prefect.artifacts import acreate_markdown_artifact

from flows import notices
from medpipe.files import read_json
from medpipe.outcome import measured
from medpipe.paths import Layout
from medpipe.promotion.approval import Approval, spoken


async def show(layout: Layout, outcome: dict[str, Any]) -> None:
    """Put the run's page among Prefect's artifacts, under the workload's key."""
    if outcome["verdict"] is None:
        told = _stopped(layout, outcome)
        reasons = "\n".join(f"- {reason}" for reason in outcome["stopped"])
        await publish(layout, "training", told, f"# {told}\n\n{reasons}\n")
        return
    report = read_json(layout.report, made_by=f"dvc repro evaluate@{layout.workload}")
    page = markdown(layout, report, outcome)
    await publish(layout, "training", headline(outcome["verdict"]), page)


async def ask(layout: Layout, question: Approval, verdict: dict[str, Any]) -> None:
    """Put before a person what is needed to decide: report, champion beside it, and reasons."""
    report = read_json(layout.report, made_by=f"dvc repro evaluate@{layout.workload}")
    page = asked(layout, report, question, verdict)
    await publish(layout, "approval", spoken(question, None), page)


async def notify(layout: Layout, outcome: dict[str, Any]) -> None:
    """Tell those whom params.yaml names, where the gate refused or a person is asked."""
    verdict = outcome["verdict"]
    if verdict is None:
        await notices.send(layout.root, "refused", layout.workload, outcome["stopped"])
    elif verdict["waits"]:
        how = [f"{what}: {command}" for what, command in answers(verdict["waits"])]
        await notices.send(layout.root, "waits", layout.workload, [*verdict["reasons"], *how])
    elif not verdict["allowed"]:
        await notices.send(layout.root, "refused", layout.workload, verdict["reasons"])


async def publish(layout: Layout, kind: str, description: str, page: str) -> None:
    """Put `page` among Prefect's artifacts, under the workload's key for its `kind`."""
    key = f"{layout.workload.replace('_', '-')}-{kind}"
    await acreate_markdown_artifact(key=key, description=description, markdown=page)


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
    stages = stages or "| none | the model was there already |"
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


def asked(
    layout: Layout, report: dict[str, Any], question: Approval, verdict: dict[str, Any]
) -> str:
    """The page of a question: why it is asked, the candidate, and the champion beside it."""
    test = report["splits"]["test"]
    beside = verdict["comparison"] or {}
    metrics = "\n".join(
        f"| {name} | {measured(test['metrics'][name])} | {_beside(beside.get(name))} |"
        for name in dict.fromkeys([*report["objective"]["shown"], *beside])
    )
    reasons = "\n".join(f"- {why}" for why in question.why)
    checks = "\n".join(f"- {check['why']}" for check in verdict["checks"] if check["passed"])
    answer = f"medpipe approve {question.workload} --reason"
    champion = f"less champion {verdict['champion']}" if verdict["champion"] else "no champion yet"
    columns = f"candidate ({_confidence(report)} interval) | {champion}"
    return f"""# May {question.workload} version {question.version} become champion?

The gate allowed it. A person is asked because
{reasons}

Without an answer by {question.until} it is rejected, by policy.

Measured on {test["examples"]} examples of {test["groups"]} patients that no training saw.

| metric | {columns} |
| --- | --- | --- |
{metrics}

## What the gate found
{checks}

## How to answer
Resume this run and fill in its form, or `{answer} "…"` (`medpipe reject` to refuse); the reason is
signed into the certificate and must name no patient. The whole report:
`{layout.evaluation / "report.html"}`
"""


def _beside(paired: dict[str, Any] | None) -> str:
    if paired is None or paired.get("difference") is None:
        return ""
    return measured({**paired, "value": paired["difference"]})


def _stopped(layout: Layout, outcome: dict[str, Any]) -> str:
    """The end of a run that did not train, in one sentence."""
    return f"{layout.workload}: stopped before training: {outcome['stopped'][0]}"


def farewell(layout: Layout, outcome: dict[str, Any]) -> str:
    """What a person at a terminal wants to know at the end: result, verdict, where, what next."""
    if outcome["verdict"] is None:
        reasons = "".join(f"\n  ✘ {reason}" for reason in outcome["stopped"])
        return f"\n{_stopped(layout, outcome)}{reasons}\n"
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
    release = f"medpipe release {layout.workload}"
    following = [
        ("look at the report", f"open {quote(str(layout.evaluation / 'report.html'))}"),
        *answers(outcome["verdict"]["waits"]),
        ("how it does", release if outcome["verdict"].get("probation") else ""),
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


def answers(question: dict[str, Any] | None) -> list[tuple[str, str]]:
    """What to type where a person is asked."""
    if question is None:
        return []
    reason = f'{question["workload"]} --reason "…"'
    return [
        ("let it be champion", f"medpipe approve {reason}"),
        ("or not", f"medpipe reject {reason}"),
    ]


def _confidence(report: dict[str, Any]) -> str:
    return f"{100 * report['confidence']:g} %"
