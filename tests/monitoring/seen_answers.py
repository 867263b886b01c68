"""Answers of an invented service, week by week: facts with known spreads, and what they are of."""

from datetime import UTC, datetime, timedelta

from medpipe.monitoring import facts
from medpipe.monitoring.facts import Watched
from medpipe.monitoring.journal import Seen

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
CERTIFICATE = "c0ffee"


def values(rng, count, *, distance=0.0, age=60.0, unstated=0.0):
    """Facts of `count` patients; women are older, which is no drift."""
    female = rng.random(count) < 0.5
    ages = rng.normal(age + 4 * female, 12)
    return [
        {
            "age_years": None if rng.random() < unstated else float(ages[n]),
            "sex": "female" if female[n] else "male",
            "risk": float(rng.beta(2, 6)),
            "distance": float(rng.normal(distance)),
        }
        for n in range(count)
    ]


def reference(rng, count=400):
    rows = values(rng, count)
    parts = {"age_years": "input", "sex": "input", "risk": "score", "distance": "score"}
    made = [facts.fact(name, part, [r[name] for r in rows]) for name, part in parts.items()]
    return Watched(splits=("val", "test"), examples=count, facts=tuple(made))


def week(watched, number, rows, *, site=None, first=MONDAY):
    """`rows` as the journal holds them, spread over the week `number` after the Monday `first`."""
    start = first + timedelta(weeks=number)
    return [
        Seen(
            answer_id=f"{site or ''}{number:03}-{index:05}",
            at=(start + index * timedelta(weeks=1) / len(rows)).isoformat(timespec="milliseconds"),
            workload="xray",
            version="3",
            certificate=CERTIFICATE,
            site=site,
            bins=tuple(watched.bins(row)),
        )
        for index, row in enumerate(rows)
    ]
