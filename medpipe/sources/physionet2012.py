"""Layout `physionet2012`: the text files of the PhysioNet/CinC Challenge 2012.

    set-a/<RecordID>.txt    one stay: a line ``hh:mm,Parameter,Value`` per measurement
    Outcomes-a.txt          ``RecordID, …, In-hospital_death``, one line per stay

Sets b and c, where they are there, are read in the same way. A record is one stay of one patient:
the challenge took no patient twice. -1 in a descriptor means not known. A file without a line in
the outcomes has no label; a line without a file is offered all the same, so that ingest counts it.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medpipe.errors import SourceError, UnreadableError
from medpipe.records.physiology import VARIABLES
from medpipe.sources.listing import below, fingerprint, found
from medpipe.workload import Item, Source

_DEATH = "In-hospital_death"
_STAY = "RecordID"
_HEADER = "Time,Parameter,Value"
_NUMBERS = {"Age": "age_years", "Height": "height_cm", "Weight": "weight_kg"}
_CLASSES: dict[str, tuple[str, dict[float, str]]] = {
    "Gender": ("sex", {0: "F", 1: "M"}),
    "ICUType": (
        "unit_type",
        {1: "coronary", 2: "cardiac surgery", 3: "medical", 4: "surgical"},
    ),
}
_SERIES = {variable.challenge: variable.name for variable in VARIABLES}


class PhysioNet2012(Source):
    """The challenge's folder `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def items(self) -> Iterator[Item]:
        sets = [
            (folder, table)
            for letter in "abc"
            if (folder := self._path / f"set-{letter}").is_dir()
            and (table := self._path / f"Outcomes-{letter}.txt").is_file()
        ]
        if not sets:
            raise SourceError(
                f"{self._path} is not the challenge: looked for set-a/ and Outcomes-a.txt, found "
                f"{found(self._path)}"
            )
        for folder, table in sets:
            yield from _stays(folder, table)


def _stays(folder: Path, table: Path) -> Iterator[Item]:
    deaths = _deaths(table)
    files = {path.stem: path for path in below(folder, (".txt",))}
    for stay in sorted(files.keys() | deaths.keys()):
        path = files.get(stay, folder / f"{stay}.txt")
        death = deaths.get(stay)
        yield Item(
            key=f"{folder.name}/{stay}",
            fingerprint=fingerprint(path, death),
            payload=path,
            label=death,
            patient_id=stay,
        )


def _deaths(table: Path) -> dict[str, str]:
    """RecordID → "0" or "1"."""
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, skipinitialspace=True)
        if not {_STAY, _DEATH} <= set(rows.fieldnames or ()):
            raise SourceError(f"{table} must have the columns {_STAY} and {_DEATH}")
        deaths: dict[str, str] = {}
        for row in rows:
            if row[_STAY] in deaths:
                raise SourceError(f"{table} row {rows.line_num} repeats a {_STAY}; keep one")
            deaths[row[_STAY]] = row[_DEATH]
        return deaths


def parsed(data: bytes) -> dict[str, Any]:
    """What a file of the challenge says, under the names of raw: descriptors and series.

    A weight at admission is the descriptor; later ones are the series.

    Raises
    ------
    UnreadableError : not text, another header, a line that is not time, parameter and number, or a
        parameter that the challenge does not have; names the line
    """
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UnreadableError(f"the file is not text (byte {error.start})") from None
    if not lines or lines[0].strip() != _HEADER:
        raise UnreadableError(f"the first line is not {_HEADER}", fault="format")
    stay: dict[str, Any] = {}
    for number, line in enumerate(lines[1:], start=2):
        if line.strip():
            _take(line, f"line {number}", stay)
    return stay


def _take(line: str, where: str, stay: dict[str, Any]) -> None:
    """Add what one line says to `stay`."""
    time, _, rest = line.partition(",")
    name, _, text = rest.partition(",")
    hour, value = _hour(time, where), _number(text, where)
    if name == _STAY:
        return
    at_admission = hour == 0
    if at_admission and name in _NUMBERS and _NUMBERS[name] not in stay:
        stay[_NUMBERS[name]] = None if value == -1 else value
    elif name in _CLASSES:
        column, classes = _CLASSES[name]
        stay[column] = classes.get(value)
    elif name in _SERIES:
        stay.setdefault(_SERIES[name], []).append((hour, value))
    else:
        raise UnreadableError(f"{where}: the challenge has no such parameter", fault="content")


def _hour(text: str, where: str) -> float:
    hours, _, minutes = text.partition(":")
    if not (hours.isdecimal() and minutes.isdecimal() and int(minutes) < 60):
        raise UnreadableError(f"{where}: the time is not hh:mm", fault="content")
    return int(hours) + int(minutes) / 60


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UnreadableError(f"{where}: the value is not a number", fault="content")
    return value
