"""preprocess: split raw by patient, fit on train, encode every row, write the receipt.

Raw is read three times, part by part: its small columns to split, train for `Workload.fit`, and all
rows to encode. Rows stay in the order of raw, whatever the number of threads.
"""

from __future__ import annotations

import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, compress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from medpipe import duplicates, files, split
from medpipe.config import Params, effective
from medpipe.deidentify.row import ORIGINAL
from medpipe.errors import DataError, UnreadableError
from medpipe.paths import Layout
from medpipe.tables import ready
from medpipe.tables.raw import Raw
from medpipe.workload import Row, State, Workload

_BATCH, _SMALL_BATCH = 32, 4096
"""Rows of raw that are read at once: with content, and without."""
_AHEAD = 4
"""Rows per thread that are encoded before the first of them is written."""
_THUMBNAILS = "thumbnails.npy"

_log = logging.getLogger(__name__)
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class _Plan:
    """What goes where.

    Parameters
    ----------
    kept : (rows of raw,) whether each is in ready
    frame, sides : the N that are, in the order of raw, and the side of each
    """

    kept: np.ndarray
    frame: pd.DataFrame
    sides: np.ndarray
    left_out: dict[str, int]


@dataclass(frozen=True)
class _Encoded:
    """One row on its way to ready; the thumbnail is (1024,), or None where none is asked for."""

    example: str
    inputs: dict[str, np.ndarray]
    thumbnail: np.ndarray | None


def preprocess(workload: Workload, params: Params, layout: Layout) -> dict[str, Any]:
    """Make ready from raw.

    Returns
    -------
    counts : side → examples, groups, positives
    left_out : reason → examples of raw that are not in ready
    clean, problems, digest : of the receipt

    Raises
    ------
    DataError : no labels, one class or one patient only, a side that is empty or of one class
    MissingStageError : raw is not there
    """
    raw = Raw(layout.raw, workload.columns)
    plan = _plan(raw.frame(_small(workload)), workload, params)
    _check(plan, workload, params)
    train = plan.kept.copy()
    train[plan.kept] = plan.sides == "train"
    state = workload.fit(_rows(raw, workload, train), params.preprocess)
    threads = params.ingest.threads or os.cpu_count() or 1
    with files.new_folder(layout.ready) as folder:
        rows = _rows(raw, workload, plan.kept)
        _write(folder, plan, workload, _encoded(rows, workload, state, threads=threads))
        receipt = split.receipt(
            _examples(plan, workload),
            params.split,
            left_out=plan.left_out,
            alike=_comparison(folder),
        )
        (folder / _THUMBNAILS).unlink(missing_ok=True)
        sections = effective(params)
        in_force = {name: sections[name] for name in ("split", "preprocess")}
        ready.seal(folder, state=state, receipt=receipt, params=in_force)
    for problem in receipt["problems"]:
        _log.warning("the receipt is not clean: %s", problem)
    return {key: receipt[key] for key in ("counts", "left_out", "clean", "problems", "digest")}


def sides(raw: Raw, workload: Workload, params: Params) -> pd.DataFrame:
    """The rows that ready gets of `raw`, without content, with the column ``side``."""
    plan = _plan(raw.frame(_small(workload)), workload, params)
    return plan.frame.assign(side=plan.sides)


def _plan(frame: pd.DataFrame, workload: Workload, params: Params) -> _Plan:
    """Sides of all rows, and which rows stay.

    With ``by: group`` content that came under two patients stays on one side; a published split is
    kept as it was published, copies included, and its receipt says so.
    """
    columns = {name: _objects(frame[name]) for name in ("group", "site", "published")}
    sides = split.assign(columns, params.split)
    labelled = frame[list(workload.label_columns)].notna().any(axis=1).to_numpy(dtype=bool)
    copied = np.zeros(len(frame), dtype=bool)
    if params.split.by == "group" and workload.duplicate_column:
        content = _objects(frame[workload.duplicate_column])
        copied[labelled] = split.copies(sides[labelled], content[labelled])
    outside = _excluded(frame, workload)
    kept = labelled & ~copied & np.array([reason is None for reason in outside], dtype=bool)
    left_out = {
        "without_label": int((~labelled).sum()),
        "copy_on_another_side": int(copied.sum()),
        **Counter(reason for reason in outside if reason is not None),
    }
    return _Plan(kept, frame[kept].reset_index(drop=True), sides[kept], left_out)


def _excluded(frame: pd.DataFrame, workload: Workload) -> list[str | None]:
    """Why each row is outside the cohort of the question; None where it is inside."""
    if type(workload).excluded is Workload.excluded:  # a million rows need not be asked
        return [None] * len(frame)
    names = [str(name) for name in frame]
    columns = [_objects(frame[name]) for name in names]
    rows = zip(*columns, strict=True)
    return [workload.excluded(dict(zip(names, row, strict=True))) for row in rows]


def _check(plan: _Plan, workload: Workload, params: Params) -> None:
    """Raise DataError where no model could be fitted, or none measured."""
    frame, labels = plan.frame, list(workload.label_columns)
    if frame.empty:
        raise DataError(
            f"none of the {sum(plan.left_out.values())} examples of raw has a "
            f"{' or '.join(labels)}; give the source its labels and ingest again"
        )
    if frame["group"].nunique() == 1:
        raise DataError(
            f"all {len(frame)} labelled examples belong to one patient; train, val and test need "
            "different ones: ingest more patients"
        )
    for side in ("train", "val", "test"):
        here = frame.loc[plan.sides == side, labels]
        if here.empty:
            raise DataError(
                f"{side} got none of {frame['group'].nunique()} patients "
                f"(split.val {params.split.val:g}, split.test {params.split.test:g}); ingest more "
                "patients, or raise the share of that side"
            )
        for label in _classed(workload):
            known = here[label].dropna().convert_dtypes()  # 1 and not 1.0
            if known.nunique() < 2:
                value = known.iloc[0] if len(known) else "not known"
                raise DataError(
                    f"every one of the {len(known) or len(here)} examples of {side} has "
                    f"{label} = {value}; a classifier needs two classes on each side: ingest "
                    "more patients of the other"
                )


def _rows(raw: Raw, workload: Workload, kept: np.ndarray) -> Iterator[Row]:
    """The rows of `kept`, with all that `fit` and `encode` look at: all but the file itself."""
    columns = [c for c in workload.columns if c.name != ORIGINAL]
    size = _BATCH if any(column.content for column in columns) else _SMALL_BATCH
    batches = raw.batches([column.name for column in columns], size)
    return compress(chain.from_iterable(batches), kept)


def _encoded(
    rows: Iterable[Row], workload: Workload, state: State, *, threads: int
) -> Iterator[_Encoded]:
    """What becomes of each row, in the order of `rows`."""
    compared = workload.near_duplicate_column is not None

    def encode(row: Row) -> _Encoded:
        try:
            inputs = workload.encode(row, state)
        except UnreadableError as error:
            raise DataError(
                f"example {row['example']} cannot be encoded: {error}; take it out of the source "
                "and ingest again"
            ) from error
        return _Encoded(row["example"], inputs, duplicates.thumbnail(inputs) if compared else None)

    if not any(column.content for column in workload.columns):
        yield from map(encode, rows)  # sooner done than handed to another thread
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from _in_order(pool, encode, rows, ahead=_AHEAD * threads)


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[T], R], items: Iterable[T], *, ahead: int
) -> Iterator[R]:
    """`pool.map` that takes no more than `ahead` items before their results are asked for."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _write(folder: Path, plan: _Plan, workload: Workload, encoded: Iterator[_Encoded]) -> None:
    """Arrays and rows of every side; thumbnails too where near duplicates are looked for."""
    rows = plan.frame.assign(label=plan.frame[workload.label])
    frames = ((side, rows[plan.sides == side]) for side in split.SIDES)
    thumbnails = ready.Appender(folder / _THUMBNAILS, len(rows))
    with ready.Writer(folder, frames) as writer:
        for expected, side in zip(rows["example"], plan.sides, strict=True):
            one = next(encoded, None)
            if one is None or one.example != expected:
                raise DataError(
                    f"raw changed while it was read: example {expected} is not where it was; run "
                    "preprocess again"
                )
            writer.add(side, one.inputs)
            if one.thumbnail is not None:
                thumbnails.append(one.thumbnail)
    thumbnails.close()


def _comparison(folder: Path) -> duplicates.Compare | None:
    path = folder / _THUMBNAILS

    def alike(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        # Mapped anew each time: the pages of all pairs so far would be memory of this process.
        return duplicates.comparison(np.load(path, mmap_mode="r"))(left, right)

    return alike if path.is_file() else None


def _examples(plan: _Plan, workload: Workload) -> split.Examples:
    """The columns of ready that its receipt looks at."""
    frame, label = plan.frame, plan.frame[workload.label]
    two = set(label.unique()) <= {0, 1}  # True and False are 1 and 0
    content, likeness = workload.duplicate_column, workload.near_duplicate_column
    return split.Examples(
        example=_objects(frame["example"]),
        group=_objects(frame["group"]),
        side=plan.sides,
        positive=label.to_numpy(dtype=bool) if two else None,
        content=_objects(frame[content]) if content else None,
        likeness=_objects(frame[likeness]) if likeness else None,
    )


def _small(workload: Workload) -> list[str]:
    return [c.name for c in workload.columns if not c.content]


def _classed(workload: Workload) -> list[str]:
    """The label columns that hold classes."""
    return [c.name for c in workload.columns if c.name in workload.label_columns and c.classed]


def _objects(column: pd.Series) -> np.ndarray:
    """(N,) of Python objects, None where a value is missing."""
    return column.astype(object).where(column.notna(), None).to_numpy(dtype=object)
