"""``medpipe feedback``: what became of answers."""

from __future__ import annotations

import csv
import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from medpipe.audit import place as places
from medpipe.columns import Column
from medpipe.commands import show
from medpipe.errors import AuditError, ParamsError
from medpipe.monitoring import journal as journals
from medpipe.monitoring.outcomes import Outcomes, Told, from_json

_ID = "answer_id"
_BACK = "null"
"""Takes back what was told."""
_READ_AS_JSON = ("int", "float", "bool")


@click.command()
@click.argument(_ID, required=False)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME=VALUE",
    help="What turned out to be so; NAME=null takes it back. Several are allowed.",
)
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV with a column answer_id and one for each label; an empty cell tells nothing.",
)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="Print what was told from then on, UTC.",
)
@click.option("--told-by", default=getpass.getuser, help="Who says so.  [default: this user]")
@click.pass_obj
def feedback(
    root: Path,
    answer_id: str | None,
    labels: tuple[str, ...],
    file: Path | None,
    since: datetime | None,
    told_by: str,
) -> None:
    """Tell what became of the answer ANSWER_ID, or of many in a file; or look it up.

    With ANSWER_ID alone, prints what counts and its history. A file is taken whole or not at all,
    and what is wrong is listed row by row. The last that was told of a label counts.

    \b
    Examples
      medpipe feedback 0b0cf2b6-7c0e-4f43-9f3b-6a3b4e6a3f10 --label pneumonia=1
      medpipe feedback --file outcomes.csv
    """
    if sum(given is not None for given in (answer_id, file, since)) != 1:
        raise ParamsError("give one of ANSWER_ID, --file and --since")
    if labels and answer_id is None:
        raise ParamsError("--label is about one answer: give its ANSWER_ID, too")
    if since is not None:
        with journals.at(root) as journal:
            at = since.replace(tzinfo=UTC).isoformat(timespec="milliseconds")
            show([vars(outcome) for outcome in journal.told(since=at)])
        return
    with Outcomes.open(places.at(root)) as outcomes:
        if file is not None:
            show(outcomes.tell(_rows(file), told_by=told_by, typed=_typed))
        elif labels:
            told = Told(0, str(answer_id), dict(map(_label, labels)))
            outcomes.tell([told], told_by=told_by, typed=_typed)
        if answer_id is not None:
            if (found := outcomes.of(answer_id)) is None:
                raise AuditError("no such answer is on record here")
            show(found)


def _label(text: str) -> tuple[str, str | None]:
    label, equals, value = text.partition("=")
    if not equals or not value:
        raise ParamsError("--label takes NAME=VALUE, such as pneumonia=1, or NAME=null")
    return label.strip(), None if value == _BACK else value


def _rows(file: Path) -> list[Told]:
    """What the rows of the CSV `file` tell; the first line has the names and the number 1."""
    told = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, restkey="", strict=True)
            if _ID not in (reader.fieldnames or ()):
                raise ParamsError(f"{file.name} has no column {_ID}; its first line names columns")
            for row in reader:
                if "" in row:
                    raise ParamsError(f"{file.name}, row {reader.line_num}: has too many cells")
                said = {name: (cell or "").strip() for name, cell in row.items()}
                named = said.pop(_ID)
                labels = {n: None if c == _BACK else c for n, c in said.items() if c}
                if named or labels:
                    told.append(Told(reader.line_num, named, labels))
    except (UnicodeDecodeError, csv.Error):
        raise ParamsError(f"{file.name} is no CSV in UTF-8; export it again") from None
    return told


def _typed(text: str, column: Column) -> Any:
    """What `text` means in `column`; of a number or a truth value, as JSON writes it."""
    if column.dtype not in _READ_AS_JSON:
        return from_json(text, column)
    try:
        value = json.loads(text)
    except ValueError:
        value = text  # refused as such, with what is allowed
    return from_json(value, column)
