"""How the columns of a workload are stored: types, and the data dictionary in the file itself."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from medpipe.columns import Column, Dtype

KEPT = (
    Column("revision", "str", "keyed digest of what the source last said of the item"),
    Column("content", "str", "digest of the row, by which a revision is told from a repetition"),
)
"""Columns that every part of raw has after those of the workload: ingest's own memory."""

_TYPES: dict[Dtype, pa.DataType] = {
    "str": pa.string(),
    "category": pa.string(),  # pandas categories would differ from part to part
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "bytes": pa.binary(),
    "series": pa.list_(pa.list_(pa.float32(), 2)),  # pairs of hour and value
}


def schema(columns: Iterable[Column]) -> pa.Schema:
    """The Arrow schema of `columns`, with meaning, unit, range and values as metadata of a field.

    Every field may be null: what must not be is judged by validate, which says where.
    """
    return pa.schema([pa.field(c.name, _TYPES[c.dtype], metadata=_described(c)) for c in columns])


def _described(column: Column) -> dict[str, str]:
    limits = (column.low, column.high)
    said = {
        "meaning": column.meaning,
        "unit": column.unit,
        "range": "" if limits == (None, None) else f"{column.low}…{column.high}",
        "values": ", ".join(column.values),
    }
    return {name: text for name, text in said.items() if text}
