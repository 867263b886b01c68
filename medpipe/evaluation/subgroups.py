"""The same measurements for men and women, young and old, each view and each site.

A subgroup is judged only where it has enough examples of every class; what is too small is listed
with the reason, so that nobody takes silence for fairness.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from medpipe.columns import Column
from medpipe.evaluation.measures.contract import Measures
from medpipe.evaluation.scored import Scored
from medpipe.objectives.objective import Point
from medpipe.sections import EvaluateParams

UNKNOWN = "not known"


def subgroups(
    measures: Measures[Any],
    test: Scored,
    point: Point,
    columns: Sequence[Column],
    params: EvaluateParams,
) -> list[dict[str, Any]]:
    """One entry per value of every column that is marked as a subgroup, in the columns' order.

    Parameters
    ----------
    test : N rows; a column that its frame lacks is passed over

    Returns
    -------
    {column, meaning, value, examples, groups, positives, judged, why, metrics, gap}. The gap is the
    main metric of the whole less that of the subgroup: above 0, the subgroup is served worse. Its
    interval knows that the subgroup is part of the whole. `why` is empty for what is judged;
    `metrics` and `gap` are None for what is not.
    """
    return [
        _entry(measures, test, point, column, value, mask, params)
        for column, value, mask in parts(test, columns, params)
    ]


def parts(
    test: Scored, columns: Sequence[Column], params: EvaluateParams
) -> Iterator[tuple[Column, str, np.ndarray]]:
    """Each value of every column that is marked as a subgroup, and where it stands, (N,)."""
    for column in columns:
        if column.subgroup and column.name in test.frame:
            for value, mask in _values(test.frame[column.name], column, params.age_bands):
                yield column, value, mask


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
    measures: Measures[Any],
    test: Scored,
    point: Point,
    column: Column,
    value: str,
    mask: np.ndarray,
    params: EvaluateParams,
) -> dict[str, Any]:
    named = {"column": column.name, "meaning": column.meaning, "value": value}
    part = test[mask]
    why = not_judged(measures, part, whole=bool(mask.all()), least=params.subgroup_min)
    if why:
        return {
            **named,
            "examples": len(part),
            "groups": part.frame["group"].nunique(),
            "positives": measures.positives(part),
            "judged": False,
            "why": why,
            "metrics": None,
            "gap": None,
        }
    gap = measures.gap(test, point, mask, params)
    return {
        **named,
        **measures.measure(part, point, params),
        "judged": True,
        "why": "",
        "gap": {measures.main: gap.as_json()},
    }


def not_judged(measures: Measures[Any], part: Scored, *, whole: bool, least: int) -> str:
    """Why `part` is not judged alone; empty where it is.

    Parameters
    ----------
    whole : whether it is all of test
    least : examples
    """
    if whole:
        return "every example has this value: it is the whole"
    if len(part) < least:
        return f"{len(part)} examples; {least} are needed"
    return measures.too_few(part)
