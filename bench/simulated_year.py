"""Weeks of two hospitals through the real Prefect server and worker, MLflow and service.

The clock is accelerated, not replaced: a week of the policy is `window_s` seconds here. Films are
asked in one window and judged in the next, in which none are asked, so that a week of answers is
always a whole window.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from hospital import Film, Hospitals
from sklearn.metrics import roc_auc_score

from medpipe.monitoring.windows import MONDAY

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "end_to_end"))
import quick_project
from prefect_place import Place
from quick_project import WORKLOAD, end, medpipe, start, wait_for

DAY_S = 86_400.0
WEEK_DAYS = 7
LEARNED_FROM = 400
"""Patients before the first week."""
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
PATIENCE_S = 400.0


@dataclass(frozen=True)
class Week:
    """What one week gave.

    Parameters
    ----------
    auroc : of its answers, by what the films truly show; of all, and of each site
    verdict, action, reasons : of monitoring, after it
    version : of the champion that answered
    trainings : runs that ended in this week: {reason, state, verdict}
    """

    number: int
    films: int
    answered: int
    auroc: Mapping[str, float]
    version: str
    verdict: str
    action: str
    reasons: tuple[str, ...]
    trainings: tuple[str, ...]

    def line(self) -> str:
        by_site = ", ".join(f"{name.split()[0]} {value:.2f}" for name, value in self.auroc.items())
        said = f"week {self.number:2}: {self.answered} of {self.films} answered by version "
        said += f"{self.version}, AUROC {by_site}; {self.verdict}, {self.action}"
        return "; ".join([said, *self.trainings])


class Year:
    """A project in `folder`, from its first champion on."""

    def __init__(self, folder: Path, *, window_s: float, seed: int = 1) -> None:
        self.window_s = window_s
        self.hospitals = Hospitals(folder / "archive", seed=seed)
        self.root = quick_project.make(folder / "project", changes=self._params())
        self.place = Place(folder, self.root)
        self.weeks: list[Week] = []
        self.expected = 0
        """Flow runs that were asked for, by this or by an automation that was waited for."""
        self.kills, self.again = 0, 0
        """How often something was killed, and how often a run had to be started again for it."""
        self._folder, self._untold, self._address = folder, [], ""
        self._parts: dict[str, contextlib.ExitStack] = {}
        self._timers: list[threading.Timer] = []
        self._killing = threading.Lock()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Server, worker and service, with a first champion."""
        self.hospitals.tell(self.hospitals.week(LEARNED_FROM), share=1.0)
        with contextlib.ExitStack() as all_of_them:
            self._parts = {
                name: all_of_them.enter_context(contextlib.ExitStack())
                for name in ("server", "worker", "service")
            }
            self._begin("server")
            self.place.deploy()
            self._begin("worker")
            self.run("train", {"reason": "by hand"})
            self._begin("service")
            yield
            for timer in self._timers:
                timer.join()

    def week(self) -> Week:
        """Films are asked, last week's truth is told, and monitoring looks."""
        self._wait_for_window()
        films = self.hospitals.week()
        asked, version = self._ask(films)
        self._tell()
        self._untold = [(film, answer["answer_id"]) for film, answer in asked]
        self._wait_for_window()
        self.run("monitor")
        told = self._last_verdict()
        trainings = self._started_by_events(told["action"])
        self.weeks.append(
            Week(
                number=len(self.weeks) + 1,
                films=len(films),
                answered=len(asked),
                auroc=_auroc(asked),
                version=version,
                verdict=told["verdict"],
                action=told["action"],
                reasons=tuple(told["reasons"]),
                trainings=trainings,
            )
        )
        return self.weeks[-1]

    def run(self, flow: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Run the deployment of `flow` and wait for its end."""
        deployment = self._api(f"deployments/name/{flow}/{WORKLOAD}")
        return self._run(deployment["id"], dict(parameters or {}))

    def kill(self, part: str, *, after_s: float) -> None:
        """End "server" or "worker" (with the run that it has) by SIGKILL, and start it again."""

        def now() -> None:
            with self._killing:
                self._parts[part].close()
                self._begin(part)
                self.kills += 1

        self._timers.append(threading.Timer(after_s, now))
        self._timers[-1].start()

    def retrain(self) -> dict[str, Any]:
        """A training on schedule; what came of it."""
        self.run("train", {"reason": "schedule"})
        return self._outcome()

    def agrees(self) -> bool:
        """Whether registry, record, release and service say the same."""
        status = self.champion()
        return bool(status["fits"]) and status["certificate"] == self.served()

    def ended_runs(self) -> list[str]:
        """The state of every flow run that there was."""
        runs = self._api("flow_runs/filter", {"limit": 200})
        return [run["state_type"] for run in runs]

    def champion(self) -> dict[str, Any]:
        """What `medpipe status` says."""
        return dict(medpipe("status", WORKLOAD, cwd=self.root))

    def served(self) -> str:
        """Digest of the certificate under which the service answers now."""
        answer = httpx.get(f"{self._address}/v1/{WORKLOAD}", timeout=30)
        return str(answer.json()["certificate_sha256"])

    # -- parts ----------------------------------------------------------------------------------
    def _params(self) -> dict[str, dict[str, Any]]:
        week = 2 * self.window_s / DAY_S  # one window asks, the next one judges
        scale = week / WEEK_DAYS
        return {
            "source": {"name": "table", "path": str(self.hospitals.folder / "films.csv")},
            "ingest": {"max_side_px": 96},
            # Phantoms of one kind are alike, and those of the new unit more so.
            "split": {"val": 0.15, "test": 0.2, "near_duplicate_bits": 0},
            "preprocess": {"size_px": 64},
            "model": {"architecture": "small_cnn", "width": 16},
            "train": {
                **{"epochs": 20, "batch_size": 16, "learning_rate": 0.003},
                **{"device": "cpu", "threads": 1},
            },
            "evaluate": {"resamples": 200, "explained": 2, "subgroup_min": 60},
            "gate": {
                "floors": {"auroc": 0.70},
                **{"margins": {"auroc": 0.05}, "subgroup_gap": 0.8, "ece_max": 0.3},
                **{"coverage_margin": None, "latency_p95_ms": 60_000.0},
            },
            "monitor": {
                **{"window_days": self.window_s / DAY_S, "min_answers": 40},
                **{"outcome_days": 91 * scale, "cooldown_days": 14 * scale},
            },
            "plan": {
                "data": {"new_least": 100},
                "cooldown_h": 24 * 7 * scale,
                # From 35 to 70 of 100 is 1.5 in log odds, which the default leaves to a person.
                "recalibrate": {"cases_least": 30, "intercept": {"low": -2.0, "high": 2.0}},
            },
        }

    @contextlib.contextmanager
    def _serving(self) -> Iterator[None]:
        with socket.create_server(("127.0.0.1", 0)) as found:
            port = found.getsockname()[1]
        self._address = f"http://127.0.0.1:{port}"
        command = ("bentoml", "serve", "--port", str(port))
        service = start(*command, cwd=self.root, log=self._folder / "service.log")
        try:
            wait_for(lambda: _ready(self._address), process=service, s=90)
            yield
        finally:
            end(service)

    def _ask(self, films: list[Film]) -> tuple[list[tuple[Film, dict[str, Any]]], str]:
        """Films that were answered, each with its answer; and the model's version."""
        with httpx.Client(base_url=self._address, timeout=60) as client:

            def ask(film: Film) -> httpx.Response:
                sent = {"files": {"file": film.data}, "headers": {"Medpipe-Site": film.site}}
                return client.post(f"/v1/{WORKLOAD}", **sent)

            with ThreadPoolExecutor(4) as clients:
                answers = list(zip(films, clients.map(ask, films), strict=True))
        assert all(answer.status_code < 500 for _, answer in answers)
        asked = [(film, answer.json()) for film, answer in answers if answer.status_code == 200]
        return asked, str(asked[-1][1]["model_version"])

    def _tell(self) -> None:
        """What last week's films showed, to the table and to the service."""
        told = self.hospitals.tell([film for film, _ in self._untold])
        with httpx.Client(base_url=self._address, timeout=60) as client:
            for film, answer_id in self._untold:
                if film.path in told:
                    outcome = {"pneumonia": told[film.path]}
                    client.post(f"/v1/answers/{answer_id}/outcome", json=outcome).raise_for_status()

    def _wait_for_window(self) -> None:
        """Sleep until the next one begins, and what was seen is on the disk."""
        step = timedelta(days=self.window_s / DAY_S)
        left = step - (datetime.now(UTC) - MONDAY) % step
        time.sleep(left.total_seconds() + 0.05)

    def _begin(self, part: str) -> None:
        what = {
            **{"server": self.place.server, "worker": self.place.worker},
            "service": self._serving,
        }
        self._parts[part].enter_context(what[part]())

    def _api(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """What Prefect's server says, once it is there."""
        last = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self.place.asked(path, body)
            except OSError:
                assert time.monotonic() < last, f"no answer to {path}"
                time.sleep(0.5)

    def _run(self, deployment_id: str, parameters: dict[str, Any]) -> dict[str, Any]:
        # A request whose answer was lost is sent again and makes no second run.
        body = {"parameters": parameters, "idempotency_key": str(uuid4())}
        made = self._api(f"deployments/{deployment_id}/create_flow_run", body)
        self.expected += 1
        ended = self._ended(made["id"])
        if ended["state_type"] != "CRASHED":
            return ended
        self.again += 1  # its process was killed: docs/schedule.md says to start it again
        return self._run(deployment_id, parameters)

    def _ended(self, run_id: str) -> dict[str, Any]:
        last = time.monotonic() + PATIENCE_S
        while True:
            found = self._api(f"flow_runs/{run_id}")
            if found["state_type"] in ENDED:
                return dict(found)
            assert time.monotonic() < last, f"{found['name']} is {found['state_name']}"
            time.sleep(0.2)

    def _started_by_events(self, action: str) -> tuple[str, ...]:
        """Runs that an automation has started since, once they have ended, in words."""
        if action not in ("retrain", "recalibrate"):
            return ()
        last = time.monotonic() + 8
        while time.monotonic() < last:
            runs = self._api("flow_runs/filter", {"sort": "EXPECTED_START_TIME_DESC"})
            if len(runs) > self.expected:
                self.expected = len(runs)
                run = self._ended(runs[0]["id"])
                if run["state_type"] == "CRASHED":
                    self.again += 1
                    run = self._run(run["deployment_id"], run["parameters"])
                return (f"{run['name']}: {run['state_name']}, {self._outcome()}",)
            time.sleep(0.3)
        return ()

    def _outcome(self) -> str:
        """What the newest run ended with: the operator's page says it first."""
        found = self._api(
            "artifacts/filter",
            {
                "artifacts": {"type": {"any_": ["markdown"]}},
                **{"sort": "CREATED_DESC", "limit": 1},
            },
        )
        lines = [line for line in found[0]["data"].splitlines() if line.strip()]
        return lines[0].lstrip("# ") if lines else ""

    def _last_verdict(self) -> dict[str, Any]:
        path = self.root / f"reports/{WORKLOAD}/monitor/verdict.json"
        return dict(quick_project.json.loads(path.read_text(encoding="utf-8")))


def _auroc(asked: list[tuple[Film, dict[str, Any]]]) -> dict[str, float]:
    parts = {"all": asked}
    for film, answer in asked:
        parts.setdefault(film.site, []).append((film, answer))
    return {
        name: float(
            roc_auc_score([f.pneumonia for f, _ in part], [a["probability"] for _, a in part])
        )
        for name, part in parts.items()
        if len({film.pneumonia for film, _ in part}) == 2
    }


def _ready(address: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{address}/readyz", timeout=2).status_code == 200
    return False
