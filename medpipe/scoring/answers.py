"""One answer as one row of a table: what the service says, without nesting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from medpipe.serving.release import Release

_TYPES = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
_NAMED = ("name", "meaning")
_WHO = ("answer_id", "example", "group")
_AUTHORITY = ("cautions", "model_version", "certificate_sha256")


def row(said: Mapping[str, Any], cautions: Sequence[str], **who: Any) -> dict[str, Any]:
    """An answer, `said` as it is recorded, as a row of the table that `schema` describes."""
    return {**who, **flat(said), "cautions": "; ".join(cautions)}


def flat(said: Mapping[str, Any]) -> dict[str, Any]:
    """`said` without nesting: a class's or label's name ends its column; of a set, its words.

    Examples
    --------
    >>> flat({"decision": "b", "classes": [{"name": "b", "probability": 0.7}]})
    {'decision': 'b', 'probability_b': 0.7}
    """
    found: dict[str, Any] = {}
    for field, value in said.items():
        if field in ("classes", "labels"):
            for part in value:
                found |= {f"{k}_{part['name']}": _plain(part[k]) for k in part if k not in _NAMED}
        else:
            found[field] = _plain(value)
    return found


def schema(release: Release) -> pa.Schema:
    """Columns of the table of answers: who, what was said, and on whose authority.

    ``item`` counts what the source offers, from 1; what the model said is null where it abstained.
    """
    outputs = release.objective.outputs
    neutral = np.zeros(()) if outputs == 1 else np.zeros(outputs)
    said = flat(release.objective.answer(neutral, release.point))
    said |= {"unfamiliar": False, "distance": 0.0, "abstained": False}
    return pa.schema(
        [
            ("item", pa.int64()),
            *((name, pa.string()) for name in _WHO),
            *((field, _TYPES[type(value)]) for field, value in said.items()),
            *((name, pa.string()) for name in _AUTHORITY),
        ]
    )


def _plain(value: Any) -> Any:
    return value["words"] if isinstance(value, Mapping) else value
