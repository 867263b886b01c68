"""What a scoring has done so far, in parts that are whole or not there.

A part holds answers and refusals of a stretch of the source, their records, and the digest of all
items up to its end: a scoring that was killed goes on behind its last part, if the source still
begins the same.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from medpipe import files
from medpipe.audit.record import Entry
from medpipe.monitoring.journal import Seen

ANSWERS, REFUSED = "answers.parquet", "refused.parquet"
_ENTRIES, _SEEN, _END, _OF = "records.parquet", "seen.parquet", "end.json", "scoring.json"
_MADE_BY = "medpipe score"
_TYPES = {
    str: pa.string(),
    str | None: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    tuple[int, ...]: pa.list_(pa.int32()),
}
REFUSAL = pa.schema(
    [("item", pa.int64()), *((name, pa.string()) for name in ("answer_id", "example", "reason"))]
)


@dataclass
class Stretch:
    """What is said of some items, one after the other in the source, and what is put down of it.

    Parameters
    ----------
    end : number of the last one, from 1
    digest : of all items up to that
    """

    end: int = 0
    digest: str = ""
    answers: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.answers) + len(self.refused)

    def extend(self, other: Stretch) -> None:
        """Take up `other`, which follows."""
        self.end, self.digest = other.end, other.digest
        self.answers += other.answers
        self.refused += other.refused
        self.entries += other.entries
        self.seen += other.seen


class Parts:
    """The parts in `folder`.

    Parameters
    ----------
    of : what the answers depend on; parts of another scoring are thrown away
    schema : of an answer
    """

    def __init__(self, folder: Path, *, of: Mapping[str, Any], schema: pa.Schema) -> None:
        self.folder = folder
        self._of = dict(of)
        self._schema = schema
        if not self._is_ours():
            self.clear()
        with files.explained(folder):
            for stray in folder.glob(".partial-*"):  # of a scoring that was killed
                shutil.rmtree(stray)

    def clear(self) -> None:
        """Begin anew."""
        with files.explained(self.folder):
            shutil.rmtree(self.folder, ignore_errors=True)
        files.write_json(self.folder / _OF, self._of)

    def end(self) -> tuple[int, str]:
        """How many items the parts are of, and the digest of those; 0 where there is no part."""
        parts = self._paths()
        if not parts:
            return 0, ""
        said = files.read_json(parts[-1] / _END, made_by=_MADE_BY)
        return int(said["items"]), str(said["digest"])

    def add(self, stretch: Stretch) -> None:
        """One part more."""
        with files.new_folder(self.folder / f"part-{len(self._paths()):06d}") as part:
            for name, rows, schema in (
                (ANSWERS, stretch.answers, self._schema),
                (REFUSED, stretch.refused, REFUSAL),
                (_ENTRIES, map(vars, stretch.entries), _schema(Entry)),
                (_SEEN, map(vars, stretch.seen), _schema(Seen)),
            ):
                table = pa.Table.from_pylist(list(rows), schema=schema)
                pq.write_table(table, part / name, compression="zstd")
            files.write_json(part / _END, {"items": stretch.end, "digest": stretch.digest})

    def last(self) -> tuple[list[Entry], list[Seen]]:
        """What is to be put down of the last part; nothing where there is none."""
        parts = self._paths()
        if not parts:
            return [], []
        kept, beside = (pq.read_table(parts[-1] / name).to_pylist() for name in (_ENTRIES, _SEEN))
        entries = [Entry(**said) for said in kept]
        seen = [Seen(**{**said, "bins": tuple(said["bins"])}) for said in beside]
        return entries, seen

    def join(self, name: str, path: Path, *, facts: Mapping[str, str]) -> int:
        """All tables called `name` as the one file `path`, Parquet or CSV; how many rows that are.

        A part at a time, so that memory does not grow. `facts` stand in the metadata of Parquet.
        """
        rows = 0
        schema = (REFUSAL if name == REFUSED else self._schema).with_metadata(dict(facts))
        with files.new_file(path) as partial:
            is_csv = path.suffix == ".csv"
            made = csv.CSVWriter if is_csv else pq.ParquetWriter
            with made(partial, schema) as writer:
                for table in self._tables(name):
                    writer.write_table(table.replace_schema_metadata(schema.metadata))
                    rows += len(table)
        return rows

    def _tables(self, name: str) -> Iterator[pa.Table]:
        for part in self._paths():
            table = pq.read_table(part / name)
            if len(table):
                yield table

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("part-*"))

    def _is_ours(self) -> bool:
        path = self.folder / _OF
        return path.exists() and files.read_json(path, made_by=_MADE_BY) == self._of


def _schema(kind: type[Entry] | type[Seen]) -> pa.Schema:
    """Columns of what is put down, by the types of its fields."""
    return pa.schema([(name, _TYPES[said]) for name, said in get_type_hints(kind).items()])
