"""Raw: one row per example, in immutable Parquet parts that any table tool reads.

A part is written once and never touched again, so that DVC stores and moves only what is new. What
changed at the source becomes a new row under the same example; reading leaves the earlier one out.
Content (images, files) is stored as it is, uncompressed and without statistics: it is compressed
already, and Parquet would read it four times slower.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.hazmat.primitives.poly1305 import Poly1305

from medpipe import files
from medpipe.columns import Column
from medpipe.errors import MissingStageError
from medpipe.tables.ledger import Ledger
from medpipe.tables.schema import KEPT, schema
from medpipe.workload import Row

MANIFEST = "raw.json"
"""Says, keyed, what raw was made from."""
_MIB = 1 << 20
_ROW_GROUP_BYTES = 4 * _MIB
"""What is held in memory while writing or reading, whatever the size of a part."""
_ROW_OVERHEAD = 256  # bytes counted for the small columns of a row
_PAIR_BYTES = 128  # of one measurement as Python objects
_PART = re.compile(r"part-(\d{5,})\.parquet")
_SCAN_ROWS = 16_384
_TAG_KEY = hashlib.sha256(b"medpipe raw content").digest()
"""Public, and the same for ever."""
_BRIEF = (str, int, bool, type(None))
"""Values that are equal exactly where they read the same, within a type: 0.0 and −0.0 do not."""


class Raw:
    """The examples in `folder`; nothing is read before it is asked for.

    Parameters
    ----------
    folder : where the parts are; need not exist before the first `append`
    columns : of the workload, in the order in which they are stored
    """

    def __init__(self, folder: Path, columns: Sequence[Column]) -> None:
        self.folder = folder
        self.columns = tuple(columns)
        self._schema = schema((*columns, *KEPT))
        self._names = tuple(self._schema.names)  # which Arrow makes anew whenever it is asked

    def parts(self) -> list[Path]:
        """The whole parts, in the order in which they were written."""
        if not self.folder.is_dir():
            return []
        found = [path for path in self.folder.iterdir() if _PART.fullmatch(path.name)]
        return sorted(found, key=_number)

    @property
    def number(self) -> int:
        """Of the part that will be written next: parts below it are all that there is by now."""
        parts = self.parts()
        return _number(parts[-1]) + 1 if parts else 0

    def append(self, rows: Iterable[Row], *, part_mib: int = 32) -> int:
        """Write `rows` as new parts of about `part_mib` each; how many rows that were.

        Rows are taken one by one and a part appears when it is full: what is interrupted loses the
        rows of its last part and nothing else.

        Raises
        ------
        StorageError : the disk is full or not writable
        """
        for stray in self.folder.glob(".partial-part-*"):  # of a run that was killed
            stray.unlink()
        count = 0
        remaining = iter(rows)
        number = self.number
        for first in remaining:
            path = self.folder / f"part-{number:05d}.parquet"
            with files.new_file(path) as partial:
                count += self._write_part(partial, chain([first], remaining), part_mib * _MIB)
            number += 1
        return count

    def batches(self, columns: Sequence[str], size: int) -> Iterator[list[dict[str, Any]]]:
        """Rows in force, in stored order, at most `size` at a time.

        Raises
        ------
        MissingStageError : there is no part
        """
        for part, kept in zip(self._needed(), self._in_force(), strict=True):
            start = 0
            with pq.ParquetFile(part, pre_buffer=False) as file:  # not the whole part at once
                for batch in file.iter_batches(batch_size=size, columns=list(columns)):
                    mask = kept[start : start + batch.num_rows]
                    start += batch.num_rows
                    if mask.any():
                        yield batch.filter(pa.array(mask)).to_pylist()

    def rows(self, columns: Sequence[str], examples: Collection[str]) -> dict[str, dict[str, Any]]:
        """The rows in force called `examples`, by name; what is not there is left out.

        Content is read for the row groups that hold one of them, and for no others.
        """
        found: dict[str, dict[str, Any]] = {}
        for part, kept in zip(self._needed(), self._in_force(), strict=True):
            start = 0
            with pq.ParquetFile(part) as file:
                for group in range(file.num_row_groups):
                    names = file.read_row_group(group, columns=["example"])["example"]
                    here = kept[start : start + len(names)] & np.isin(names, list(examples))
                    start += len(names)
                    if here.any():
                        table = file.read_row_group(group, columns=[*{"example", *columns}])
                        rows = table.filter(pa.array(here)).to_pylist()
                        found |= {row["example"]: row for row in rows}
        return found

    def frame(self, columns: Sequence[str]) -> pd.DataFrame:
        """Small columns of all rows in force, in stored order; a date is a timestamp at midnight.

        Raises
        ------
        MissingStageError : there is no part
        """
        tables = [
            pq.ParquetFile(part).read(columns=list(columns)).filter(pa.array(kept))
            for part, kept in zip(self._needed(), self._in_force(), strict=True)
        ]
        frame: pd.DataFrame = pa.concat_tables(tables).to_pandas(date_as_object=False)
        return frame[list(columns)]

    def frames(
        self, columns: Sequence[str], *, since: int = 0, before: int | None = None
    ) -> Iterator[pd.DataFrame]:
        """What `frame` gives, some ten thousand rows at a time; raises as it does.

        Parameters
        ----------
        since, before : numbers of parts: those from `since` on and below `before`, see `number`
        """
        for part, kept in zip(self._needed(), self._in_force(), strict=True):
            number, start = _number(part), 0
            if number < since or (before is not None and number >= before):
                continue
            with pq.ParquetFile(part, pre_buffer=False) as file:
                for batch in file.iter_batches(batch_size=_SCAN_ROWS, columns=list(columns)):
                    mask = pa.array(kept[start : start + batch.num_rows])
                    start += batch.num_rows
                    frame = batch.filter(mask).to_pandas(date_as_object=False)
                    yield frame[list(columns)]

    def examples(self) -> set[str]:
        """The examples in force; none where nothing was ingested yet."""
        return set(self.frame(["example"])["example"]) if self.parts() else set()

    def version(self) -> str:
        """A digest of what is in force, the same for the same content however it lies in parts."""
        digest = hashlib.sha256()
        for batch in self.batches(["example", "content"], _SCAN_ROWS):
            for row in batch:
                digest.update(f"{row['example']} {row['content']}\n".encode())
        return digest.hexdigest()

    def ingests(self) -> list[int]:
        """The number of the first part of each ingest, oldest first."""
        parts = self.number
        return sorted({0, *(end for end in Ledger(self.folder).ends() if end < parts)})

    def _needed(self) -> list[Path]:
        if parts := self.parts():
            return parts
        raise MissingStageError(
            f"{self.folder} has no part; run `medpipe stage ingest {self.folder.parent.name}` first"
        )

    def _in_force(self) -> list[np.ndarray]:
        """For each part, which of its rows no later row supersedes and no refusal withdrew."""
        ledger = Ledger(self.folder)
        counts = [pq.read_metadata(part).num_rows for part in self.parts()]
        if ledger.every_row_stands(sum(counts)):  # then no names need be held against each other
            return [np.ones(count, dtype=bool) for count in counts]
        tables = [pq.ParquetFile(part).read(columns=["example"]) for part in self.parts()]
        examples = pa.concat_tables(tables).to_pandas()["example"]
        superseded = examples.duplicated(keep="last") | examples.isin(ledger.withdrawn())
        return np.split(~superseded.to_numpy(dtype=bool), np.cumsum(counts)[:-1])

    def _write_part(self, path: Path, rows: Iterator[Row], limit: int) -> int:
        """Take from `rows` until the part is full; how many were taken."""
        blobs = {column.name for column in self.columns if column.content}
        files_ = {column.name for column in self.columns if column.dtype == "bytes"}
        small = [name for name in self._schema.names if name not in blobs]
        count = written = pending_bytes = 0
        pending: list[dict[str, Any]] = []
        with pq.ParquetWriter(
            path,
            self._schema,
            compression={n: "NONE" if n in files_ else "ZSTD" for n in self._schema.names},
            use_dictionary=small,
            write_statistics=small,
        ) as writer:
            for row in rows:
                pending.append(self._complete(row))
                pending_bytes += _ROW_OVERHEAD + sum(_size(row.get(n)) for n in blobs)
                count += 1
                if pending_bytes >= _ROW_GROUP_BYTES or written + pending_bytes >= limit:
                    self._flush(writer, pending)
                    written, pending_bytes = written + pending_bytes, 0
                if written >= limit:
                    break
            if pending:
                self._flush(writer, pending)
        return count

    def _flush(self, writer: pq.ParquetWriter, pending: list[dict[str, Any]]) -> None:
        writer.write_table(pa.Table.from_pylist(pending, schema=self._schema))
        pending.clear()

    def _complete(self, row: Row) -> dict[str, Any]:
        full = {name: row.get(name) for name in self._names}
        full["content"] = full["content"] or content_digest(row, self.columns)
        return full


def _number(part: Path) -> int:
    return int(part.stem.removeprefix("part-"))


def _size(content: Any) -> int:
    """About how many bytes the content of one column takes."""
    if content is None:
        return 0
    return len(content) if isinstance(content, bytes) else _PAIR_BYTES * len(content)


def content_digest(row: Row, columns: Sequence[Column]) -> str:
    """16 hexadecimal digits that are equal where two rows say the same.

    It notices changes, it does not withstand forgers: content enters as a Poly1305 tag, eight times
    faster than BLAKE2b, which would be a quarter of the work on a film of 8 MiB.
    """
    said = [
        _briefly(column.name, value)
        if type(value := row.get(column.name)) in _BRIEF
        else _at_length(column.name, value)
        for column in columns
    ]
    return hashlib.blake2b(b"".join(said), digest_size=8).hexdigest()


@lru_cache(1 << 16, typed=True)  # a million rows of a table say the same few words
def _briefly(name: str, value: Any) -> bytes:
    return _at_length(name, value)


def _at_length(name: str, value: Any) -> bytes:
    """Name and value of a column, told apart from any other by the length of the value."""
    if isinstance(value, bytes):
        data = Poly1305.generate_tag(_TAG_KEY, value)
    else:
        data = repr(value).encode()
    return b"%s %d %s" % (name.encode(), len(data), data)
