"""Rows of a table file, CSV or Parquet, one after the other, whatever the file's length."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from medpipe.errors import SourceError
from medpipe.sources.listing import found

_SEPARATORS = ",;\t|"
_PARQUET = (".parquet", ".pq")
_TEXT = (".csv", ".tsv", ".txt")


def read(
    path: Path, named: Collection[str], *, member: str | None = None
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The rows of the table at `path`, each with its place in words ("films.csv row 2").

    Rows are counted as a spreadsheet shows them: the header is row 1. Cells of a text file are
    texts; those of Parquet have the types of the file.

    Parameters
    ----------
    named : the columns that are looked at, under the user's own names
    member : name of the CSV file inside, where `path` is a zip archive

    Raises
    ------
    SourceError : no such file, neither CSV nor Parquet, a column is missing, a row is too short
    """
    if _is_parquet(path, member):
        rows = _parquet_rows(path, named)
    else:
        rows = _text_rows(path, named, member)
    for number, row in enumerate(rows, start=2):
        yield f"{path.name} row {number}", row


def names(path: Path, *, member: str | None = None) -> list[str]:
    """The columns of the table at `path`; raises as `read` does."""
    if _is_parquet(path, member):
        import pyarrow.parquet as pq  # delayed, as below

        with _whole(path):
            return list(pq.read_schema(path).names)
    with _opened(path, member) as file:
        return list(_lines(file).fieldnames or [])


def said(row: Mapping[str, Any], column: str | None) -> str | None:
    """What the cell of `column` says; None where it is empty, or no column was named."""
    value = None if column is None else row[column]
    return None if value is None else str(value).strip() or None


def _is_parquet(path: Path, member: str | None) -> bool:
    if not path.is_file():
        raise SourceError(
            f"{path} is not a table: looked for a CSV or Parquet file, found {found(path)}"
        )
    suffix = Path(member or path).suffix.lower()
    if suffix not in _TEXT + _PARQUET:
        raise SourceError(
            f"{path} is a {suffix or 'nameless'} file; looked for {', '.join(_TEXT + _PARQUET)}"
        )
    return suffix in _PARQUET


def _text_rows(
    path: Path, named: Collection[str], member: str | None
) -> Iterator[Mapping[str, Any]]:
    with _opened(path, member) as file:
        rows = _lines(file)
        _check(path, named, rows.fieldnames or [])
        for row in rows:
            if None in row.values():
                raise SourceError(
                    f"{path.name} row {rows.line_num} has fewer cells than the header"
                )
            yield row


def _lines(file: TextIO) -> csv.DictReader[str]:
    first = file.readline()
    file.seek(0)
    return csv.DictReader(file, delimiter=max(_SEPARATORS, key=first.count))


@contextmanager
def _opened(path: Path, member: str | None) -> Iterator[TextIO]:
    """The text of the file, or of the one called `member` in the archive."""
    try:
        if member is None:
            with path.open(newline="", encoding="utf-8-sig") as file:
                yield file
            return
        with zipfile.ZipFile(path) as archive:
            # By the whole name: an archive made on a Mac has a hidden twin of each file.
            inside = [one for one in archive.namelist() if one.rpartition("/")[2] == member]
            if not inside:
                raise SourceError(f"{path} holds no {member}; fetch it again")
            with archive.open(inside[0]) as data:
                yield io.TextIOWrapper(data, newline="", encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path} is not UTF-8 (byte {error.start}); save it as CSV UTF-8"
        ) from None
    except zipfile.BadZipFile:
        raise SourceError(f"{path} is not a whole zip archive; fetch it again") from None


def _parquet_rows(path: Path, named: Collection[str]) -> Iterator[Mapping[str, Any]]:
    # Delayed: the service imports this module through its workload and has no pyarrow.
    import pyarrow.parquet as pq

    with _whole(path), pq.ParquetFile(path) as file:
        _check(path, named, file.schema_arrow.names)
        for batch in file.iter_batches(columns=sorted(named)):
            yield from batch.to_pylist()


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except pa.ArrowInvalid:
        raise SourceError(f"{path} is not a whole Parquet file; write it again") from None


def _check(path: Path, named: Collection[str], names: Sequence[str]) -> None:
    if missing := sorted(set(named) - set(names)):
        raise SourceError(
            f"{path} has no column {' and '.join(missing)}; it has {', '.join(names) or 'none'}; "
            "source.options say which column is which"
        )
