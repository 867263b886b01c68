"""A year of two hospitals, week by week, through Prefect's server and worker, MLflow and service.

Films arrive every week; what four in five of them turned out to show is told a week later. In week
20 one hospital buys a unit that stores noisier negatives and does not say so, in week 35 prevalence
doubles, in week 45 what is told belongs to other patients. Monitoring looks every week, an
automation acts on its advice, and every 13 weeks a training is due anyway. Worker and server are
killed at moments that a seed draws. A week takes a few seconds (`--window`, twice that) and as long
as its trainings do; nothing else is imitated.

    python bench/year.py [--weeks 52] [--window 14] [--kills 6] [--seed 1]
                         [--scanner 20] [--prevalence 35] [--labels 45]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import machine
import numpy as np
from simulated_year import Year

HAPPENS = {"scanner": 20, "prevalence": 35, "labels": 45}
"""What changes, and in which week."""
DUE = 13


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--weeks", type=int, default=52)
    arguments.add_argument("--window", type=float, default=14, help="seconds [14]")
    arguments.add_argument("--kills", type=int, default=6, help="of worker or server [6]")
    arguments.add_argument("--seed", type=int, default=1)
    for name, week in HAPPENS.items():
        arguments.add_argument(f"--{name}", type=int, default=week, help=f"week of it [{week}]")
    given = arguments.parse_args()
    rng = np.random.default_rng(given.seed)
    killed = {
        int(week): str(rng.choice(["worker", "server"]))
        for week in rng.choice(np.arange(2, given.weeks), min(given.kills, given.weeks - 2), False)
    }
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        year = Year(Path(folder), window_s=given.window, seed=given.seed)
        with year.running():
            for number in range(1, given.weeks + 1):
                one(year, number, killed.get(number), rng, given)
            end = "agree" if year.agrees() else "DISAGREE"
        print(f"\n{year.kills} kills, {year.again} runs started again; at the end", end=" ")
        print(f"registry, record, release and service {end}")
    print(f"{time.perf_counter() - started:.0f} s; {machine.line('prefect', 'mlflow', 'bentoml')}")


def one(
    year: Year,
    number: int,
    killed: str | None,
    rng: np.random.Generator,
    given: argparse.Namespace,
) -> None:
    """Live through one week and print it."""
    if number == given.scanner:
        year.hospitals.changes_scanner()
    if number == given.prevalence:
        year.hospitals.doubles_prevalence()
    year.hospitals.corrupts = number >= given.labels
    if killed:
        year.kill(killed, after_s=float(rng.uniform(0, 4 * year.window_s)))
    due = f"; due: {year.retrain()}" if number % DUE == 0 else ""
    said = f"; {killed} killed" if killed else ""
    print(f"{year.week().line()}{due}{said}", flush=True)
    for reason in year.weeks[-1].reasons[:2]:
        print(f"      {reason}", flush=True)


if __name__ == "__main__":
    main()
