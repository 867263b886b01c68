"""What ingest has seen: one line per item, without a name, so that nothing is read twice.

The parts themselves remember the items that became rows (columns ``revision`` and ``content``).
This file adds what they cannot: items that were refused, and items that were touched at the source
but say what they said before. It is written after the parts; rows of parts that it does not know
yet, because a run was killed in between, are taken from the parts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from medpipe import files

FILE = "ledger.parquet"
_SCHEMA = pa.schema(
    [
        pa.field("example", pa.string(), metadata={"meaning": "keyed pseudonym of the item"}),
        pa.field("revision", pa.string(), metadata={"meaning": "keyed digest of its state"}),
        pa.field("content", pa.string(), metadata={"meaning": "digest of its row, if it has one"}),
        pa.field("reason", pa.string(), metadata={"meaning": "why it was refused, if it was"}),
    ]
)
_COVERED = b"parts"
_ENDS = b"ends"


@dataclass(frozen=True, slots=True)
class Entry:
    """The last state of one item.

    Parameters
    ----------
    revision : keyed digest of what the source said of it
    content : digest of the row that it gave; None where it gave none
    reason : why it was refused; None where it was taken
    """

    revision: str
    content: str | None
    reason: str | None


class Ledger:
    """The ledger beside the parts in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / FILE

    def load(self, parts: list[Path]) -> dict[str, Entry]:
        """Example → its last state, from the file and from `parts` that the file does not cover."""
        known = dict(self._stored())
        for part in parts[self._covered() :]:
            rows = pq.ParquetFile(part).read(columns=["example", "revision", "content"])
            for row in rows.to_pylist():
                known[row["example"]] = Entry(row["revision"], row["content"], None)
        return known

    def save(self, known: Mapping[str, Entry], parts: int) -> None:
        """Write `known`, which covers the first `parts` parts; nothing where nothing changed."""
        if self._path.exists() and parts == self._covered() and known == dict(self._stored()):
            return
        order = sorted(known)
        table = pa.Table.from_pydict(
            {
                "example": order,
                "revision": [known[e].revision for e in order],
                "content": [known[e].content for e in order],
                "reason": [known[e].reason for e in order],
            },
            schema=_SCHEMA,
        ).replace_schema_metadata({_COVERED: str(parts), _ENDS: json.dumps([*self.ends(), parts])})
        with files.new_file(self._path) as partial:
            pq.write_table(table, partial, compression="zstd")

    def ends(self) -> list[int]:
        """How many parts there were when each ingest that found something was over, in order.

        Those of an earlier medpipe, which did not note it, count as one.
        """
        if not self._path.exists():
            return []
        known = (pq.read_schema(self._path).metadata or {}).get(_ENDS)
        return [self._covered()] if known is None else list(json.loads(known))

    def every_row_stands(self, rows: int) -> bool:
        """Whether the parts, of `rows` together, hold each item once and none was refused since.

        Read from the file's footer alone, so that ten million rows cost nothing.
        """
        if not self._path.exists():
            return False
        metadata = pq.read_metadata(self._path)
        reason = _SCHEMA.names.index("reason")
        groups = [metadata.row_group(n).column(reason) for n in range(metadata.num_row_groups)]
        refused = metadata.num_rows - sum(
            g.statistics.null_count if g.is_stats_set else 0 for g in groups
        )
        return metadata.num_rows == rows and not refused

    def withdrawn(self) -> list[str]:
        """Examples whose item was refused when last seen; an earlier row no longer counts."""
        if not self._path.exists():
            return []
        table = pq.read_table(self._path, columns=["example", "reason"])
        refused: list[str] = table.filter(table["reason"].is_valid())["example"].to_pylist()
        return refused

    def _stored(self) -> Iterator[tuple[str, Entry]]:
        if self._path.exists():
            for batch in pq.ParquetFile(self._path).iter_batches():
                for row in batch.to_pylist():
                    yield row["example"], Entry(row["revision"], row["content"], row["reason"])

    def _covered(self) -> int:
        if not self._path.exists():
            return 0
        return int((pq.read_schema(self._path).metadata or {}).get(_COVERED, b"0"))
