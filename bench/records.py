"""From published files to an answered request: what it takes, and what it is worth.

For each workload of records a fresh clone of this repository gets the recipe that
docs/bring-your-data.md gives for the published data; `medpipe run` takes it to a champion, and
`bentoml serve` answers the workload's own example. A refusal by the gate is printed as such.

A clone makes a key for its pseudonyms, and the key decides whose patients are held out: each time
is another split, and one alone says little about a difference of 0.01.

    python bench/records.py [readmission icu_mortality] [--times 1]

The data lie under MEDPIPE_REAL_DATA, by default ../shared/data.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

import machine
import overhead
import yaml

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
FOLDERS = {"readmission": "diabetes130", "icu_mortality": "icu_physionet2012"}
LIMIT_MIN = 15
_READY_S = 180


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=", ".join(FOLDERS))
    arguments.add_argument("--times", type=int, default=1, help="each with another split [1]")
    given = arguments.parse_args()
    wanted = given.workloads or list(FOLDERS)
    if unknown := set(wanted) - set(FOLDERS):
        arguments.error(f"not {', '.join(unknown)}: one of {', '.join(FOLDERS)}")
    data = Path(os.environ.get("MEDPIPE_REAL_DATA") or ROOT / "../shared/data").resolve()
    for workload in wanted:
        splits = [once(workload, data / FOLDERS[workload]) for _ in range(given.times)]
        if given.times > 1:
            together(workload, splits)
    print(f"\n{machine.line('torch', 'scikit-learn', 'bentoml')}")


def once(workload: str, data: Path) -> dict[str, float]:
    """From the files to an answer, in a project that is gone afterwards; returns as `show`."""
    with tempfile.TemporaryDirectory() as name:
        root = project(Path(name) / "project", workload, data)
        return show(workload, root, data)


def project(root: Path, workload: str, data: Path) -> Path:
    """A clone of this repository with `workload`, as the recipe says, and no other."""
    if not data.is_dir():
        raise SystemExit(f"{data} is not there; set MEDPIPE_REAL_DATA to the folder above it")
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(root)], check=True)
    page = (ROOT / "docs" / "bring-your-data.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    sections = [yaml.safe_load(block)["workloads"].get(workload) for block in blocks]
    (section,) = [each for each in sections if each and each["source"]["name"] != "table"]
    section["source"]["path"] = str(data)
    (root / "params.yaml").write_text(yaml.safe_dump({"workloads": {workload: section}}))
    return root


def show(workload: str, root: Path, data: Path) -> dict[str, float]:
    """Run it, ask it, and print the tables; returns what differs between splits."""
    command = [str(BIN / "medpipe"), "--verbose", "--root", str(root), "run", workload]
    run = overhead.finished(command, root)
    rows = dict(overhead.steps(run))
    verdict = run.outcome["verdict"]
    answer = None
    if verdict["allowed"]:
        started = time.perf_counter()
        with service(root) as address:
            rows["bentoml serve, until it is ready"] = time.perf_counter() - started
            started = time.perf_counter()
            answer = asked(f"{address}/v1/{workload}")
            rows["one request"] = time.perf_counter() - started
    print(f"\n| {workload} on {data.name} | s |\n|---|---|")
    for step, took in rows.items():
        print(f"| {step} | {took:.1f} |")
    whole = sum(rows.values())
    print(
        f"| **{whole / 60:.1f} min, limit {LIMIT_MIN}** (CPU {run.cpu_s / 60:.1f}) | {whole:.1f} |"
    )
    report = json.loads((root / f"reports/{workload}/evaluate/report.json").read_text("utf-8"))
    told(report)
    print(f"\ngate: version {verdict['version']}: {verdict['summary']}")
    for reason in verdict["reasons"]:
        print(f"  refused: {reason}")
    print(f"the example was answered: {json.dumps(answer)}" if answer else "nothing was served")
    network, boosting = report["splits"]["test"]["metrics"], report["baseline"]["metrics"]
    return {
        "network, AUROC": network["auroc"]["value"],
        "boosting, AUROC": boosting["auroc"]["value"],
        "network less boosting": report["baseline"]["difference"]["auroc"]["difference"],
        "calibration slope": network["calibration_slope"]["value"],
        "minutes": whole / 60,
        "allowed": float(verdict["allowed"]),
    }


def together(workload: str, splits: list[dict[str, float]]) -> None:
    """Print mean and range over the splits."""
    print(f"\n| {workload}, {len(splits)} splits | mean | lowest | highest |\n|---|---|---|---|")
    for name in splits[0]:
        values = [split[name] for split in splits]
        print(f"| {name} | {fmean(values):.3f} | {min(values):.3f} | {max(values):.3f} |")


def told(report: dict[str, Any]) -> None:
    """What the model is worth beside the baseline, on the test patients."""
    test, baseline = report["splits"]["test"], report["baseline"]
    print(f"\n| {test['examples']} examples of {test['groups']} patients | network | boosting |")
    print("|---|---|---|")
    for name in ("auroc", "auprc", "min_se_ppv", "calibration_slope"):
        pair = [interval(found[name]) for found in (test["metrics"], baseline["metrics"])]
        print(f"| {name} | {pair[0]} | {pair[1]} |")
    difference = baseline["difference"]["auroc"] | {
        "value": baseline["difference"]["auroc"]["difference"]
    }
    print(f"\nnetwork less boosting, AUROC: {interval(difference)}")


def interval(found: dict[str, Any]) -> str:
    if found["value"] is None or found.get("low") is None:
        return str(found["value"])
    return f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


@contextmanager
def service(root: Path) -> Iterator[str]:
    """Address of ``bentoml serve``, as typed in the project."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [str(BIN / "bentoml"), "serve", "--port", str(port)]
    with (root / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=root, stdout=log, stderr=log, start_new_session=True
        )
        try:
            until = time.monotonic() + _READY_S
            while not ready(f"{address}/readyz"):
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit((root / "serve.log").read_text("utf-8")[-3000:])
                time.sleep(0.1)
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def asked(address: str) -> dict[str, Any]:
    """The answer to the example that the service itself gives below `address`."""
    with urllib.request.urlopen(f"{address}/example", timeout=30) as response:
        kind, example = response.headers["Content-Type"], response.read()
    request = urllib.request.Request(address, data=example, headers={"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


if __name__ == "__main__":
    main()
