"""Rules about rows as a suite of Great Expectations, run on one part of raw at a time.

Boolean results first; the rules that failed are run again for the ids of the examples that broke
them. Great Expectations puts values beside those ids; nothing but the ids leaves this module.

Types are checked here and not by Great Expectations, whose type rules are wrong on pandas 3
(TypeList is false for "str", and categories match no name). Its Data Docs are not used: they load
scripts from other hosts and show values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)

from medpipe.errors import DataError
from medpipe.validation import rules
from medpipe.validation.rules import Rule
from medpipe.workload import Workload

_STORED: dict[str, tuple[Callable[[pa.DataType], bool], ...]] = {
    "str": (pa.types.is_string, pa.types.is_large_string),
    "category": (pa.types.is_string, pa.types.is_large_string, pa.types.is_dictionary),
    "int": (pa.types.is_integer,),
    "float": (pa.types.is_floating,),
    "bool": (pa.types.is_boolean,),
    "date": (pa.types.is_date, pa.types.is_timestamp),
    "bytes": (pa.types.is_binary, pa.types.is_large_binary),
    "series": (pa.types.is_list, pa.types.is_large_list),
}
"""Dtype of a column → how Arrow may store it."""


class Suite:
    """The rules of one workload, ready to judge parts."""

    def __init__(self, workload: Workload) -> None:
        self._columns = workload.columns
        self._rules = {rule.name: rule for rule in rules.of(workload)}
        # No site of Data Docs, for which a folder would be made.
        stores = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
        settings = DataContextConfig(
            store_backend_defaults=stores, progress_bars=ProgressBarsConfig(globally=False)
        )
        context = gx.get_context(mode="ephemeral", project_config=settings)
        asset = context.data_sources.add_pandas("raw").add_dataframe_asset("part")
        self._whole = asset.add_batch_definition_whole_dataframe("rows")

    def broken(self, part: Path) -> dict[str, list[str]]:
        """Rule → ids of the examples of `part` that break it, for the rules that fail.

        A column of the wrong type or missing is broken by every example; no other rule that looks
        at it is then judged.
        """
        wrong = self._mistyped(pq.read_schema(part))
        small = [c.name for c in self._columns if not c.content and c.name not in wrong]
        frame = pq.read_table(part, columns=small).to_pandas()
        content = {c.name for c in self._columns if c.content} - wrong
        frame = frame.assign(**{name: _presence(part, name) for name in sorted(content)})
        everyone = frame["example"].astype(str).tolist() if "example" in frame else []
        failed = {f"{name}.type": everyone for name in wrong}
        judged = [r for r in self._rules.values() if _by_value(r) and not wrong & set(r.columns)]
        if len(frame) and "example" in frame:
            masks = {_mask(r): _within(part, r) for r in judged if r.kind == "series"}
            failed |= self._judge(_prepared(frame, judged).assign(**masks), judged)
        return failed

    def _mistyped(self, schema: pa.Schema) -> set[str]:
        types = {field.name: field.type for field in schema}
        return {
            c.name
            for c in self._columns
            if c.name not in types or not any(fits(types[c.name]) for fits in _STORED[c.dtype])
        }

    def _judge(self, frame: pd.DataFrame, judged: Iterable[Rule]) -> dict[str, list[str]]:
        batch = self._whole.get_batch({"dataframe": frame})
        first = batch.validate(_suite(judged), result_format="BOOLEAN_ONLY")
        names = [_rule_name(r) for r in first.results if not r.success]
        if not names:
            return {}
        complete = {"result_format": "COMPLETE", "unexpected_index_column_names": ["example"]}
        again = batch.validate(_suite(self._rules[n] for n in names), result_format=complete)
        return {_rule_name(result): _ids(result) for result in again.results}


def _presence(part: Path, name: str) -> np.ndarray:
    """(N,) 1 where there is content and nan where not; reads it only where some is missing."""
    metadata = pq.read_metadata(part)
    present = np.ones(metadata.num_rows)
    leaves = list(metadata.schema.names)  # a series has none of its own name
    place = leaves.index(name) if name in leaves else None
    groups = range(metadata.num_row_groups if place is not None else 0)
    chunks = [metadata.row_group(group).column(place) for group in groups]
    if not chunks or not all(c.is_stats_set and not c.statistics.null_count for c in chunks):
        missing = pq.read_table(part, columns=[name])[name].is_null()
        present[missing.to_numpy()] = np.nan
    return present


def _within(part: Path, rule: Rule) -> np.ndarray:
    """(N,) whether every measurement of a series is inside its limits, and so is its hour."""
    column = pq.read_table(part, columns=[rule.columns[0]])[rule.columns[0]].combine_chunks()
    pairs = column.flatten().flatten().to_numpy(zero_copy_only=False).reshape(-1, 2)
    hours, values = pairs[:, 0], pairs[:, 1]
    late = np.inf if rule.span_h is None else rule.span_h
    low = -np.inf if rule.low is None else rule.low
    high = np.inf if rule.high is None else rule.high
    fits = (hours >= 0) & (hours <= late) & (values >= low) & (values <= high)  # nan fits nothing
    holds = np.ones(len(column), dtype=bool)
    holds[pc.list_parent_indices(column).to_numpy()[~fits]] = False
    return holds


def _by_value(rule: Rule) -> bool:
    return rule.kind not in ("type", "whole")


def _prepared(frame: pd.DataFrame, judged: Iterable[Rule]) -> pd.DataFrame:
    """`frame` with one column of True and False more for each rule across columns."""
    masks = {}
    for rule in judged:
        if rule.holds is not None:
            mask = pd.Series(rule.holds(frame[list(rule.columns)]), index=frame.index)
            masks[_mask(rule)] = mask.fillna(True).astype(bool)
    return frame.assign(**masks)


def _mask(rule: Rule) -> str:
    return f"holds {rule.name}"  # with a space, so that it is no column's name


def _suite(judged: Iterable[Rule]) -> gx.ExpectationSuite:
    return gx.ExpectationSuite(name="raw", expectations=[_expectation(rule) for rule in judged])


def _expectation(rule: Rule) -> Any:
    about = {"severity": rule.severity, "meta": {"rule": rule.name}}
    column = rule.columns[0]
    if rule.kind == "known":
        return gxe.ExpectColumnValuesToNotBeNull(column=column, **about)
    if rule.kind == "unique":
        return gxe.ExpectColumnValuesToBeUnique(column=column, **about)
    if rule.kind == "values":
        return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(rule.values), **about)
    if rule.kind == "range":
        limits = {"min_value": rule.low, "max_value": rule.high}
        return gxe.ExpectColumnValuesToBeBetween(column=column, **limits, **about)
    return gxe.ExpectColumnValuesToBeInSet(column=_mask(rule), value_set=[True], **about)


def _rule_name(result: Any) -> str:
    return str(result.expectation_config.meta["rule"])


def _ids(result: Any) -> list[str]:
    """Ids of the examples that break a rule, out of a complete result."""
    rows = result.result.get("unexpected_index_list")
    if rows is None:
        raise DataError(
            f"rule {_rule_name(result)} could not be judged; check its columns and its function in "
            "the workload"
        )
    return [str(row["example"]) for row in rows]
