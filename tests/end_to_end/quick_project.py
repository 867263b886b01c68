"""A copy of this repository as a person would clone it, with parameters that make a run quick."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
WORKLOAD = "chest_xray"
KEY = "a key that only the tests know!!"
"""Of pseudonyms. The same everywhere, so that every copy splits and trains alike."""
FOREIGN = {
    *("MLFLOW_TRACKING_URI", "PREFECT_HOME", "PREFECT_API_URL", "BENTOML_HOME"),
    *("MEDPIPE_SIGNING_KEY", "MEDPIPE_TRUSTED_KEYS", "MEDPIPE_RELEASES"),
    *("MEDPIPE_AUDIT", "MEDPIPE_AUDIT_KEY"),
}
"""Variables that would point a command at something outside its project."""
QUICK: dict[str, dict[str, Any]] = {
    "source": {"name": "sample", "patients": 120},
    "ingest": {"max_side_px": 64},
    "validate": {},
    "split": {"val": 0.2, "test": 0.3},
    "preprocess": {"size_px": 32},
    "model": {"architecture": "small_cnn", "width": 8},
    "augment": {},
    "train": {"epochs": 3, "batch_size": 32, "learning_rate": 0.01, "device": "cpu", "threads": 1},
    "export": {"variants": ["fp32"], "calibration_examples": 8, "parity_examples": 32},
    "evaluate": {"resamples": 200, "explained": 2, "latency_runs": 5},
    "serve": {},
    # Whatever three epochs have learned passes: what the gate judges is tested elsewhere.
    "gate": {
        "floors": {"auroc": 0.01},
        "margins": {"auroc": 1.0},
        "coverage_margin": 1.0,
        "subgroup_gap": 1.0,
        "ece_max": 1.0,
        "latency_p95_ms": 60_000.0,
    },
}


def make(folder: Path, *, changes: Mapping[str, Mapping[str, Any]] | None = None) -> Path:
    """The project in `folder`: every file that git would take, committed, with quick parameters."""
    listed = _git("ls-files", "-co", "--exclude-standard", "-z", cwd=REPOSITORY)
    for name in filter(None, listed.split("\0")):
        if not name.startswith(("tests/", "bench/", "docs/")) and (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, folder / name)
    set_params(folder, changes or {})
    _git("init", "-q", "-b", "main", cwd=folder)
    commit(folder, "A project")
    return folder


def copy_of(trained: Path, folder: Path) -> Path:
    """What `trained` made, in `folder`; without its MLflow store, whose paths are absolute."""
    left_out = shutil.ignore_patterns("mlflow.db*", "mlartifacts", "mlflow.lock", "run.log")
    shutil.copytree(trained, folder, ignore=left_out)
    return folder


def set_params(
    folder: Path,
    changes: Mapping[str, Mapping[str, Any]],
    *,
    others: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
) -> None:
    """Write params.yaml: `QUICK` with the sections of `changes` laid over it, and `others`.

    Parameters
    ----------
    others : further workloads, each with its sections
    """
    sections = {name: {**values, **changes.get(name, {})} for name, values in QUICK.items()}
    sections |= {name: dict(values) for name, values in changes.items() if name not in QUICK}
    content = {"workloads": {WORKLOAD: sections, **(others or {})}}
    text = yaml.safe_dump(content, sort_keys=False)
    (folder / "params.yaml").write_text(text, encoding="utf-8")


def commit(folder: Path, message: str) -> None:
    """All changes in `folder` as one commit."""
    _git("add", "-A", cwd=folder)
    author = ("-c", "user.name=A Test", "-c", "user.email=test@example.org")
    _git(*author, "commit", "-q", "--allow-empty", "-m", message, cwd=folder)


def environment(**changes: str) -> dict[str, str]:
    """What a person's shell in the project has, and nothing that points at another store."""
    beside = str(Path(sys.executable).parent)
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return {
        **kept,
        "PATH": os.pathsep.join([beside, kept["PATH"]]),
        "MEDPIPE_PSEUDONYM_KEY": KEY,
        "OMP_NUM_THREADS": "1",
        **changes,
    }


def start(*command: str, cwd: Path, log: Path, **changes: str) -> subprocess.Popen[bytes]:
    """`command` in the background, first of a process group of its own; see `end`."""
    with log.open("wb") as out:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=environment(PWD=str(cwd), **changes),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGKILL) -> None:
    """End `process` and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    process.wait(60)


def wait_for(what: Callable[[], object], *, process: subprocess.Popen[bytes], s: float) -> None:
    """Wait until `what` is true; fail when `process` has ended, or after `s` seconds."""
    last = time.monotonic() + s
    while not what():
        assert process.poll() is None, f"{process.args} ended with {process.returncode}"
        assert time.monotonic() < last, f"waited {s} s for {process.args}"
        time.sleep(0.002)


def run(
    *command: str, cwd: Path, status: int | None = 0, **changes: str
) -> subprocess.CompletedProcess[str]:
    """`command` as typed in `cwd`; fails the test where it ends with another `status`."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment(PWD=str(cwd), **changes),
        capture_output=True,
        text=True,
        check=False,
    )
    assert status in (None, done.returncode), (
        f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    )
    return done


def medpipe(*arguments: str, cwd: Path, **changes: str) -> Any:
    """The JSON that a ``medpipe`` command printed."""
    return json.loads(run("medpipe", *arguments, cwd=cwd, **changes).stdout)


def stage(name: str, cwd: Path, **changes: str) -> Any:
    """The outcome of one stage, run in a process of its own."""
    return medpipe("stage", name, WORKLOAD, cwd=cwd, **changes)


def model(folder: Path) -> dict[str, Any]:
    """What must be the same whoever ran the stages: the model's digest and what it is worth."""
    report = json.loads((folder / f"reports/{WORKLOAD}/evaluate/report.json").read_text("utf-8"))
    kept = ("artefact_sha256", "splits", "threshold", "calibration", "receipt")
    return {name: report[name] for name in kept}


def judged(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """A verdict without what the clock decides."""
    checks = {each["name"]: each for each in verdict["checks"] if "latency" not in each["name"]}
    return {"allowed": verdict["allowed"], "reasons": verdict["reasons"], "checks": checks}


def _git(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout
