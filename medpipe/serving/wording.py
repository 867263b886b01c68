"""From a model's output to what is said of an example: the same words in service and edge folder.

Needs numpy and nothing else that is installed, because an edge folder has nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from medpipe.errors import ScoreError
from medpipe.objectives.objective import Objective


class Limit(NamedTuple):
    """When an input is unfamiliar, and what then.

    Parameters
    ----------
    distance, share : of `serving.session.Bound`
    refuses : whether the model then says nothing (``serve.abstain: refuse``)
    """

    distance: float
    share: float
    refuses: bool


def said(
    logits: np.ndarray,
    distance: float,
    *,
    objective: Objective,
    point: Any,
    limit: Limit,
    cautions: Sequence[str],
) -> dict[str, Any]:
    """Fields of `serving.predictor.Answer` that follow from what the model gave for one example.

    Parameters
    ----------
    logits : () or (K,)
    distance : from the training data
    point : of `objective`
    cautions : of the workload

    Raises
    ------
    ScoreError : a number is not finite
    """
    (found,) = said_of_each(
        np.asarray(logits)[None],
        [distance],
        objective=objective,
        point=point,
        limit=limit,
        cautions=[cautions],
    )
    if found is None:
        raise not_finite()
    return found


def said_of_each(
    logits: np.ndarray,
    distances: Sequence[float],
    *,
    objective: Objective,
    point: Any,
    limit: Limit,
    cautions: Sequence[Sequence[str]],
) -> list[dict[str, Any] | None]:
    """`said` of each of several examples, None where it raises; `logits` (N,) or (N, K)."""
    places = np.asarray(distances, np.float64)
    by_example = np.isfinite(logits).reshape(len(places), -1)
    finite = by_example.all(axis=1) & np.isfinite(places)
    answers = objective.answer_each(np.where(np.isfinite(logits), logits, 0), point)
    return [
        _fields(answer, distance, limit, cautioned) if is_finite else None
        for answer, distance, cautioned, is_finite in zip(
            answers, places.tolist(), cautions, finite.tolist(), strict=True
        )
    ]


def not_finite() -> ScoreError:
    """What is said where the model gives no number."""
    return ScoreError(
        "the model gives no finite score for this example; do not use it",
        status=422,
        fault="content",
    )


def _fields(
    answer: dict[str, Any], distance: float, limit: Limit, cautions: Sequence[str]
) -> dict[str, Any]:
    relative = distance / limit.distance
    unfamiliar = distance > limit.distance
    abstained = unfamiliar and limit.refuses
    return {
        **({} if abstained else answer),
        "unfamiliar": unfamiliar,
        "distance": relative,
        "abstained": abstained,
        "warnings": [*([_unfamiliar(relative, limit)] if unfamiliar else []), *cautions],
    }


def _unfamiliar(distance: float, limit: Limit) -> str:
    """What the reader of an answer must know first where the input is unlike the training data."""
    advice = "do not rely on the answer"
    if limit.refuses:
        advice = "the model is not for this input, and gives no answer"
    return (
        f"this input is unlike the training data, {distance:.3g} times as far from them as "
        f"{100 * limit.share:.3g} % of patients are at most: {advice}"
    )
