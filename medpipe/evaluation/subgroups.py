"""The same measurements for men and women, young and old, each view and each site.

A subgroup is judged only where it has enough examples of both classes; what is too small is listed
with the reason, so that nobody takes silence for fairness.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from medpipe.config import EvaluateParams
from medpipe.evaluation import intervals, metrics
from medpipe.evaluation.delong import area
from medpipe.evaluation.sample import Floats, Sample
from medpipe.workload import Column

UNKNOWN = "not known"


def subgroups(
    frame: pd.DataFrame,
    probabilities: Floats,
    columns: Sequence[Column],
    *,
    at: float,
    params: EvaluateParams,
) -> list[dict[str, Any]]:
    """One entry per value of every column that is marked as a subgroup, in the columns' order.

    Parameters
    ----------
    frame : N rows with group, label (0 or 1) and the columns; a column that it lacks is passed over
    probabilities : (N,)
    at : the threshold

    Returns
    -------
    {column, meaning, value, examples, groups, positives, judged, why, metrics, gap}. The gap is the
    AUROC of the whole less that of the subgroup: above 0, the subgroup is served worse. Its
    interval knows that the subgroup is part of the whole. `why` is empty for what is judged;
    `metrics` and `gap` are None for what is not.
    """
    return [
        _entry(frame, probabilities, column, value, mask, at=at, params=params)
        for column in columns
        if column.subgroup and column.name in frame
        for value, mask in _values(frame[column.name], column, params.age_bands)
    ]


def _values(
    series: pd.Series[Any], column: Column, bands: Sequence[int]
) -> Iterator[tuple[str, np.ndarray]]:
    """Each value and where it stands, (N,); numbers fall into the bands of age, in years."""
    missing = series.isna().to_numpy()
    if column.dtype in ("int", "float"):
        number = pd.to_numeric(series).to_numpy(dtype=np.float64, na_value=np.nan)
        edges = sorted(bands)[: max(1, len(bands) - 1)]  # the last band is open: nobody is too old
        place = np.where(missing, -1, np.digitize(number, edges))
        found = np.unique(place[~missing]).tolist()
        masks = [(_band(band, edges), place == band) for band in found]
    else:
        text = series.astype(str).to_numpy()
        masks = [(v, (text == v) & ~missing) for v in sorted(set(text[~missing].tolist()))]
    yield from masks
    if missing.any():
        yield UNKNOWN, missing


def _band(place: int, edges: Sequence[int]) -> str:
    """Band number `place` of `numpy.digitize` in words."""
    if place == 0:
        return f"below {edges[0]}"
    if place == len(edges):
        return f"{edges[-1]} and above"
    return f"{edges[place - 1]}–{edges[place] - 1}"


def _entry(
    frame: pd.DataFrame,
    probabilities: Floats,
    column: Column,
    value: str,
    mask: np.ndarray,
    *,
    at: float,
    params: EvaluateParams,
) -> dict[str, Any]:
    labels, groups = frame["label"].to_numpy().astype(bool), frame["group"].to_numpy()
    why = _too_small(labels[mask], groups[mask], whole=bool(mask.all()), least=params.subgroup_min)
    entry: dict[str, Any] = {
        "column": column.name,
        "meaning": column.meaning,
        "value": value,
        "examples": int(mask.sum()),
        "groups": len(np.unique(groups[mask])),
        "positives": int(labels[mask].sum()),
        "judged": not why,
        "why": why,
        "metrics": None,
        "gap": None,
    }
    if why:
        return entry
    sample = Sample.of(labels[mask], probabilities[mask], groups[mask])
    measured = metrics.measure(
        sample,
        at=at,
        confidence=params.confidence,
        resamples=params.resamples,
        seed=params.seed,
    )
    gap = _gap(labels, probabilities, groups, mask, confidence=params.confidence)
    return entry | {"metrics": measured, "gap": {"auroc": gap.as_json()}}


def _too_small(labels: np.ndarray, groups: np.ndarray, *, whole: bool, least: int) -> str:
    if whole:
        return "every example has this value: it is the whole"
    if len(labels) < least:
        return f"{len(labels)} examples; {least} are needed"
    for name, side in (("positive", labels), ("negative", ~labels)):
        if len(np.unique(groups[side])) < 2:
            return f"fewer than two patients with a {name} example"
    return ""


def _gap(
    labels: np.ndarray,
    probabilities: Floats,
    groups: np.ndarray,
    mask: np.ndarray,
    *,
    confidence: float,
) -> intervals.Estimate:
    names, codes = np.unique(groups, return_inverse=True)
    whole, part = (
        area(labels[rows], probabilities[rows], codes[rows], group_count=len(names))
        for rows in (np.ones(len(labels), dtype=bool), mask)
    )
    if whole is None or part is None:
        return intervals.Estimate(None, undefined="one class only")
    return intervals.of_difference(whole, part, confidence=confidence)
