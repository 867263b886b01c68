"""The reference that is stored with a model: how val and test, which it did not learn, were spread.

Of the newest ingests, as far as they are enough. After a device has changed, a reference of all
that ever came in would call the new mix moved for years, however often the model learned it.

Facts are made by the functions that the service makes them with, of the same things: of a row of
raw as of a request, of encoded inputs, of what the service would have said of these logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

import numpy as np

from medpipe.evaluation.scored import Scored
from medpipe.monitoring import facts, pixels
from medpipe.monitoring.facts import Fact, Part, Value, Watched
from medpipe.objectives.objective import Objective, Point
from medpipe.serving.session import Bound
from medpipe.tables.raw import Raw
from medpipe.tables.ready import Ready
from medpipe.workload import Workload

SPLITS = ("val", "test")
LEAST = 400
"""Examples, of as many whole ingests as it takes; or all that there are."""
_ROWS_AT_ONCE = 256
Values = dict[str, Value]


def reference(
    workload: Workload,
    raw: Raw,
    ready: Ready,
    scored: Mapping[str, Scored],
    *,
    objective: Objective,
    point: Point,
    limit: Bound,
    abstains: bool,
) -> Watched:
    """How each fact is spread over the newest examples of `SPLITS`.

    Parameters
    ----------
    scored : by split, in the order of `ready`
    limit : beyond which an input is unfamiliar
    abstains : whether the service says nothing of what is unfamiliar
    """
    inputs, said, features = list[Values](), list[Values](), list[Values]()
    newest = _newest(raw, {name for each in SPLITS for name in scored[each].frame["example"]})
    for split in SPLITS:
        is_new = scored[split].frame["example"].isin(newest).to_numpy(dtype=bool)
        found = scored[split][is_new]
        rows = _of_rows(workload, raw, found.frame["example"].tolist())
        arrays = ready.arrays(split)
        for place, row in zip(np.flatnonzero(is_new), rows, strict=True):
            one = {name: np.asarray(array[place]) for name, array in arrays.items()}
            inputs.append(row | pixels.of_inputs(one))
        said += _of_answers(found, objective, point, limit=limit, abstains=abstains)
        if found.directions is not None:
            features += [facts.directions(along) for along in found.directions.tolist()]
    spread = (*_spread("input", inputs), *_spread("score", said), *_spread("feature", features))
    return Watched(splits=SPLITS, examples=len(inputs), facts=spread)


def _newest(raw: Raw, known: Set[str]) -> set[str]:
    """Those of `known` that came in last: at least `LEAST`, or all."""
    found, before = set[str](), raw.number
    for first in reversed(raw.ingests()):
        for frame in raw.frames(["example"], since=first, before=before):
            found |= known & set(frame["example"])
        before = first
        if len(found) >= LEAST:
            break
    return found


def _of_rows(workload: Workload, raw: Raw, examples: list[str]) -> list[Values]:
    """Facts of the rows of raw called `examples`, in that order; raw is read once, as a stream."""
    watched = facts.columns(workload)
    wanted, found = set(examples), dict[str, Values]()
    for batch in raw.batches(["example", *(column.name for column in watched)], _ROWS_AT_ONCE):
        for row in batch:
            if row["example"] in wanted:
                found[row["example"]] = facts.inputs(row, watched)
    return [found[example] for example in examples]


def _of_answers(
    scored: Scored, objective: Objective, point: Point, *, limit: Bound, abstains: bool
) -> Iterator[Values]:
    assert scored.distances is not None, "scored without distances"
    for logits, distance in zip(scored.logits, scored.distances.tolist(), strict=True):
        said: dict[str, Any] = {"distance": distance / limit.distance}
        if not (abstains and distance > limit.distance):
            said |= objective.answer(logits, point)
        yield facts.scores(said)


def _spread(part: Part, examples: list[Values]) -> list[Fact]:
    """One fact for each name that an example has, in the order in which they are met."""
    return [facts.fact(name, part, values) for name, values in facts.by_name(examples).items()]
