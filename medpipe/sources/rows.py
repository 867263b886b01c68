"""Rows of a table file, CSV or Parquet, one after the other, whatever the file's length."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medpipe.errors import SourceError
from medpipe.sources.listing import found

_SEPARATORS = ",;\t|"
_PARQUET = (".parquet", ".pq")
_TEXT = (".csv", ".tsv", ".txt")


def read(path: Path, named: Collection[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The rows of the table at `path`, each with its place in words ("films.csv row 2").

    Rows are counted as a spreadsheet shows them: the header is row 1. Cells of a text file are
    texts; those of Parquet have the types of the file.

    Parameters
    ----------
    named : the columns that are looked at, under the user's own names

    Raises
    ------
    SourceError : no such file, neither CSV nor Parquet, a column is missing, a row is too short
    """
    if not path.is_file():
        raise SourceError(
            f"{path} is not a table: looked for a CSV or Parquet file, found {found(path)}"
        )
    suffix = path.suffix.lower()
    if suffix not in _TEXT + _PARQUET:
        raise SourceError(
            f"{path} is a {suffix or 'nameless'} file; looked for {', '.join(_TEXT + _PARQUET)}"
        )
    rows = _parquet_rows(path, named) if suffix in _PARQUET else _text_rows(path, named)
    for number, row in enumerate(rows, start=2):
        yield f"{path.name} row {number}", row


def _text_rows(path: Path, named: Collection[str]) -> Iterator[Mapping[str, Any]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            separator = max(_SEPARATORS, key=header.count)
            rows = csv.DictReader(file, delimiter=separator)
            _check(path, named, rows.fieldnames or [])
            for row in rows:
                if None in row.values():
                    raise SourceError(
                        f"{path.name} row {rows.line_num} has fewer cells than the header"
                    )
                yield row
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path} is not UTF-8 (byte {error.start}); save it as CSV UTF-8"
        ) from None


def _parquet_rows(path: Path, named: Collection[str]) -> Iterator[Mapping[str, Any]]:
    # Delayed: the service imports this module through its workload and has no pyarrow.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            _check(path, named, file.schema_arrow.names)
            for batch in file.iter_batches(columns=sorted(named)):
                yield from batch.to_pylist()
    except pa.ArrowInvalid:
        raise SourceError(f"{path} is not a whole Parquet file; write it again") from None


def _check(path: Path, named: Collection[str], names: Sequence[str]) -> None:
    if missing := sorted(set(named) - set(names)):
        raise SourceError(
            f"{path} has no column {' and '.join(missing)}; it has {', '.join(names) or 'none'}; "
            "source.options say which column is which"
        )
