"""What a record may state, as JSON Schema: for clients, forms and the description of the service.

Derived from the columns, as `record.checked` is, which stays the judge: a schema cannot say that
a day exists, or that a question cannot be asked of somebody.

References
----------
JSON Schema 2020-12, which OpenAPI 3.1 uses. ``x-unit`` and ``x-allowed`` (what may be stated, in
words) are ours.
"""

from __future__ import annotations

from typing import Any

from medpipe.columns import Column
from medpipe.records import record
from medpipe.workload import Workload

Schema = dict[str, Any]
_TYPES = {"int": "integer", "float": "number", "bool": "boolean"}
_DAY = r"^\d{4}-\d{2}-\d{2}$"


def of(workload: Workload) -> Schema:
    """Of a record of `workload`; the fields in the order of raw, closed to others."""
    columns = record.asked(workload)
    return {
        "type": "object",
        "title": workload.title,
        "additionalProperties": False,
        "required": [column.name for column in columns if not column.nullable],
        "properties": {column.name: _field(column) for column in columns},
        "examples": [dict(workload.example)],
    }


def _field(column: Column) -> Schema:
    found = _value(column)
    if column.nullable:
        found["type"] = [found["type"], "null"]
        if "enum" in found:
            found["enum"] = [*found["enum"], None]
    elif column.dtype == "series":
        found["minItems"] = 1
    described = {"title": _label(column), "description": column.meaning}
    return described | found | {"x-unit": column.unit, "x-allowed": column.allowed}


def _label(column: Column) -> str:
    """A few words to stand beside the value: the name less its unit; of a series, its meaning."""
    if column.dtype == "series":
        return column.meaning
    suffix = column.unit.lower().replace("/", "_").replace("µ", "u")
    return column.name.removesuffix(f"_{suffix}").replace("_", " ")


def _value(column: Column) -> Schema:
    """Of what `column` holds when it is known."""
    if column.dtype == "series":
        return _series(column)
    if column.dtype in _TYPES:
        return {"type": _TYPES[column.dtype], **_range(column.low, column.high)}
    if column.dtype == "date":
        return {"type": "string", "format": "date", "pattern": _DAY}
    if column.values:
        return {"type": "string", "enum": list(column.values)}
    return {"type": "string", "maxLength": record.TEXT_MAX}


def _series(column: Column) -> Schema:
    hour = {"type": "number", "title": "hour", "x-unit": "h", **_range(0, column.span_h)}
    value = {"type": "number", "title": "value", **_range(column.low, column.high)}
    pair = {"type": "array", "prefixItems": [hour, value], "minItems": 2, "maxItems": 2}
    return {"type": "array", "maxItems": record.MEASUREMENTS_MAX, "items": pair}


def _range(low: float | None, high: float | None) -> Schema:
    limits = {"minimum": low, "maximum": high}
    return {name: limit for name, limit in limits.items() if limit is not None}
