"""How often `medpipe monitor` cries wolf in quiet years, and how soon it sees what has happened.

Each simulated year has a release of its own: a reference of val and test, and a report measured on
test, both drawn from the same population as the year. Three sites, patients whose facts hang
together, a model whose risks are right, outcomes that arrive four weeks late for seven in ten.
Every week the judgement of `medpipe.monitoring.judge` runs, with the policy's defaults, on all that
is known by then. A false alarm is a week in which the verdict turns to drifted.

In week 20 of the other years something happens, and the runs until the verdict says so are counted:
one of three sites changes its scanner (images inverted and noisier: the model learns nothing from
them), prevalence doubles, or outcomes are recorded wrongly.

    python bench/alarms.py [--years 100] [--changes 20] [--answers 100] [--reference 400] [--seed 0]
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import machine
import numpy as np
from scipy.special import expit

from medpipe.evaluation import metrics
from medpipe.evaluation.sample import Sample
from medpipe.monitoring import facts, questions
from medpipe.monitoring.facts import Watched
from medpipe.monitoring.judge import Matter, judge
from medpipe.monitoring.policy import MonitorParams
from medpipe.monitoring.verdict import Verdict
from medpipe.monitoring.windows import MONDAY, Window

WEEKS, CHANGE, LATE = 52, 20, 4
SITES = ("north", "south", "west")
FOLLOWED_UP = 0.7
POLICY = MonitorParams()
SCORES = ("risk", "distance")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--years", type=int, default=100, help="quiet ones [100]")
    arguments.add_argument("--changes", type=int, default=20, help="years of each change [20]")
    arguments.add_argument("--answers", type=int, default=100, help="a week [100]")
    arguments.add_argument("--reference", type=int, default=400, help="examples [400]")
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    started = time.perf_counter()
    print(f"{given.answers} answers a week, a reference of {given.reference}; {POLICY}\n")
    quiet(given)
    print("\n| change in week 20 | runs until drifted | advice then | advice twelve weeks later |")
    print("|---|---|---|---|")
    for change in ("scanner", "prevalence", "outcomes"):
        changed(given, change)
    print(f"\n{time.perf_counter() - started:.0f} s; {machine.line()}")


def quiet(given: argparse.Namespace) -> None:
    """Print the false alarms."""
    alarms, weeks, watched, why = 0, 0, 0, Counter[str]()
    for number in range(given.years):
        verdicts = year(np.random.default_rng([given.seed, number]), given)
        states = [verdict.state for verdict in verdicts]
        turned = [
            n for n in range(WEEKS) if states[n] == "drifted" and "drifted" not in states[n - 1 : n]
        ]
        alarms += len(turned)
        weeks += states.count("drifted")
        watched += states.count("watch")
        why.update(verdicts[n].reasons[1] for n in turned)
    print(
        f"{given.years} quiet years, {given.years * WEEKS} runs: {alarms} false alarms, {weeks} "
        f"weeks drifted, {watched} weeks watch"
    )
    for reason, count in why.most_common(10):
        print(f"  {count} × {reason}")


def changed(given: argparse.Namespace, change: str) -> None:
    """Print how soon `change` was seen."""
    runs, first, later = [], Counter[str](), Counter[str]()
    for number in range(given.changes):
        rng = np.random.default_rng([given.seed, 1_000_000 + number])
        verdicts = year(rng, given, change=change)[CHANGE:]
        seen = [n for n, verdict in enumerate(verdicts) if verdict.state == "drifted"]
        if seen:
            runs.append(seen[0] + 1)
            first[verdicts[seen[0]].action] += 1
        later[verdicts[12].action] += 1
    spread = ", ".join(f"{np.quantile(runs, q):.0f}" for q in (0.5, 0.9, 1)) if runs else "never"
    told = f"{spread} (median, 9 in 10, most); {len(runs)} of {given.changes} seen"
    listed = [", ".join(f"{n} × {a}" for a, n in c.most_common()) for c in (first, later)]
    print(f"| {change} | {told} | {' | '.join(listed)} |", flush=True)


def year(rng: np.random.Generator, given: argparse.Namespace, *, change: str = "") -> list[Verdict]:
    """The verdict of each week's run."""
    watched, promises = release(rng, given.reference)
    asked = questions.asked(watched, ["label"], promises)
    found: list[Window] = []
    said: dict[str, Any] = {}
    truth: list[dict[str, Any]] = []
    verdicts = []
    for week in range(WEEKS):
        now = change if week >= CHANGE else ""
        rows, outcomes = patients(rng, given.answers, change=now)
        window, answers = seen(watched, rows, week)
        found.append(window)
        said |= answers
        known = rng.random(len(rows)) < FOLLOWED_UP
        ids = np.array(window.answer_ids)[known]
        truth.append(dict(zip(ids, ({"label": bool(o)} for o in outcomes[known]), strict=True)))
        told = {k: v for weeks in truth[: max(0, week + 1 - LATE)] for k, v in weeks.items()}
        matter = Matter(
            watched, ("sex", "view"), asked, found, said, told, 7.0 * (week + 1), confidence=0.95
        )
        verdicts.append(judge(matter, POLICY)[1])
    return verdicts


def release(rng: np.random.Generator, count: int) -> tuple[Watched, dict[str, Any]]:
    """A reference, and a card with what was measured on six in ten of it."""
    rows, outcomes = patients(rng, count)
    names = list(rows[0])
    made = tuple(
        facts.fact(name, "score" if name in SCORES else "input", [row[name] for row in rows])
        for name in names
        if name != "site"
    )
    test = int(0.6 * count)
    risks = [row["risk"] for row in rows[:test]]
    sample = Sample.of(outcomes[:test].astype(int), risks, np.arange(test))
    measured = metrics.measure(sample, at=0.3, confidence=0.95, resamples=100, seed=1)
    card = {"splits": {"test": {"metrics": measured}}}
    return Watched(splits=("val", "test"), examples=count, facts=made), card


def patients(
    rng: np.random.Generator, count: int, *, change: str = ""
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Facts of `count` patients and their outcomes (N,)."""
    site = rng.integers(3, size=count)
    x = rng.normal(size=count)
    if change == "prevalence":  # as many with and without it as before look as they do
        x = _tilted(rng, count)
    risk = expit(-1.8 + 1.6 * x)
    outcome = rng.random(count) < (_shifted(risk) if change == "prevalence" else risk)
    if change == "outcomes":
        outcome = np.where(rng.random(count) < 0.5, rng.permutation(outcome), outcome)
    struck = (site == 0) & (change == "scanner")
    signal = np.where(struck, rng.normal(1.0, 1.0, count), x)
    e = rng.normal(size=(8, count))
    columns = {
        "age_years": 60 + 5 * x + 13 * e[0],
        "sex": np.where(rng.random(count) < 0.5, "f", "m"),
        "view": np.where(rng.random(count) < expit(x - 1), "ap", "pa"),
        "manufacturer": np.array(["alpha", "beta", "gamma"])[site],
        "width_px": np.choose(site, [2048, 2500, 3000]) + 50 * e[1].round(),
        "mean_intensity": np.where(struck, 0.58, 0.45) + 0.08 * e[2] + 0.02 * x,
        "std_intensity": 0.2 + 0.03 * e[3] + 0.03 * struck,
        "crp_mg_l": _unstated(rng, np.exp(2 + 0.5 * x + 0.8 * e[4]), 0.3),
        "leucocytes": _unstated(rng, 9 + x + 3 * e[5], 0.1),
        "temperature_c": _unstated(rng, 37 + 0.4 * x + 0.6 * e[6], 0.05),
        "risk": expit(-1.8 + 1.6 * signal),
        "distance": np.exp(0.4 * e[7] + 0.8 * struck),
    }
    rows = [
        {"site": SITES[site[n]]} | {name: values[n] for name, values in columns.items()}
        for n in range(count)
    ]
    return rows, outcome


def seen(
    watched: Watched, rows: Sequence[dict[str, Any]], week: int
) -> tuple[Window, dict[str, Any]]:
    """`rows` as a window, and what was said in it."""
    start = MONDAY + timedelta(weeks=week)
    ids = tuple(f"{week:02}-{n:05}" for n in range(len(rows)))
    places = np.array([watched.bins(row) for row in rows], np.int8)
    sites = np.array([row["site"] for row in rows])
    window = Window(start, start + timedelta(weeks=1), ids, sites, places)
    return window, {i: {"risk": float(row["risk"])} for i, row in zip(ids, rows, strict=True)}


def _tilted(rng: np.random.Generator, count: int) -> np.ndarray:
    """Latent x where twice as many have the outcome, and each kind looks as it did."""
    x = rng.normal(size=20 * count)
    risk = expit(-1.8 + 1.6 * x)
    share = risk.mean()
    weight = 2 * risk + (1 - 2 * share) / (1 - share) * (1 - risk)
    return rng.choice(x, count, p=weight / weight.sum())


def _shifted(risk: np.ndarray) -> np.ndarray:
    """The true risk where prevalence has doubled, by Bayes."""
    share = float(expit(-1.8 + 1.6 * np.random.default_rng(0).normal(size=100_000)).mean())
    more = 2 * risk
    return more / (more + (1 - 2 * share) / (1 - share) * (1 - risk))


def _unstated(rng: np.random.Generator, values: np.ndarray, share: float) -> np.ndarray:
    return np.where(rng.random(len(values)) < share, np.nan, values)


if __name__ == "__main__":
    main()
