"""A verdict as gauges for Prometheus, in the text format that node_exporter's collector reads.

A file, and not a route of the service: the service answers from a bento that holds no verdict, in
as many processes as there are cores, while one process at a time monitors.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest

STATES = ("ok", "watch", "drifted")
ACTIONS = ("none", "retrain", "recalibrate", "look-at-data")
GAUGES = {
    "medpipe_monitor_verdict": ("0 ok, 1 watch, 2 drifted.", ("version",)),
    "medpipe_monitor_action": ("1 for what is advised, 0 for the others.", ("action",)),
    "medpipe_monitor_run_timestamp_seconds": ("When the verdict was made.", ()),
    "medpipe_monitor_window_end_timestamp_seconds": ("End of the newest whole window.", ()),
    "medpipe_monitor_window_answers": ("Answers in the newest whole window.", ()),
    "medpipe_monitor_psi": (
        "Population stability index of a fact against the reference.",
        ("part", "fact"),
    ),
    "medpipe_monitor_psi_beyond_chance": (
        "The same, less what chance makes of it in samples of these sizes.",
        ("part", "fact"),
    ),
    "medpipe_monitor_not_stated_ratio": ("Share of a fact that is not stated.", ("part", "fact")),
    "medpipe_monitor_moved": (
        "0 not, 1 in the newest window, 2 lasting.",
        ("part", "fact", "kind", "whom"),
    ),
    "medpipe_monitor_outcomes": ("Answers whose outcome is known.", ("whom", "question")),
    **{
        f"medpipe_monitor_{name}{side}": (f"{words}{told}", ("whom", "question"))
        for name, words in (
            ("auroc", "AUROC of answers whose outcome is known"),
            ("observed_expected", "Outcomes observed over expected"),
            ("brier", "Brier score of answers whose outcome is known"),
            ("estimated_auroc", "AUROC to be expected if every risk is right"),
        )
        for side, told in (("", "."), ("_promised", ", as the report promised it."))
    },
}
"""Name → (help, labels beside `workload`)."""


def text(result: Mapping[str, Any]) -> str:
    """The gauges of `result`, which is what ``medpipe monitor`` gives."""
    registry = CollectorRegistry()
    gauges = {
        name: Gauge(name, told, ["workload", *labels], registry=registry)
        for name, (told, labels) in GAUGES.items()
    }

    def put(name: str, value: float, **labels: str) -> None:
        gauges[f"medpipe_monitor_{name}"].labels(workload=result["workload"], **labels).set(value)

    put("verdict", STATES.index(result["verdict"]), version=result["version"])
    for action in ACTIONS:
        put("action", float(action == result["action"]), action=action)
    put("run_timestamp_seconds", datetime.fromisoformat(result["at"]).timestamp())
    if window := result["window"]:
        end = datetime.fromisoformat(window["end"])
        put("window_end_timestamp_seconds", end.timestamp())
        put("window_answers", window["answers"])
    for fact in result["facts"]:
        named = {"part": fact["part"], "fact": fact["fact"]}
        moved = 2.0 if fact["lasting"] else float(fact["moved"])
        put("moved", moved, **named, kind=fact["kind"], whom=fact["whom"])
        if fact["whom"]:
            continue
        if fact["kind"] == "spread":
            put("psi", fact["shown"], **named)
            put("psi_beyond_chance", fact["size"], **named)
        else:
            put("not_stated_ratio", fact["shown"], **named)
    for one in (*result["performance"], *result["estimated"]):
        of = {"whom": one["whom"], "question": one["question"]}
        put(one["name"], one["value"], **of)
        put(f"{one['name']}_promised", one["promised"], **of)
        if one["name"] == "auroc":
            put("outcomes", one["answers"], **of)
    return generate_latest(registry).decode()
