"""What one run of ingest takes, skips and refuses, and what it must remember of it."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medpipe import files
from medpipe.deidentify.row import Door
from medpipe.errors import SourceError, UnreadableError
from medpipe.progress import Progress
from medpipe.tables.ledger import Entry, Ledger
from medpipe.tables.raw import Raw, content_digest
from medpipe.workload import Item, Row, Workload

_DUPLICATE = "duplicate of "


@dataclass(frozen=True)
class Task:
    """An item that has to be read."""

    number: int
    item: Item
    example: str
    revision: str


@dataclass(frozen=True)
class Refusal:
    """An item that is not in raw. `key` may identify: it stays on this machine."""

    key: str
    example: str
    reason: str


class Intake:
    """The state of one run: `pending` and `rows` are taken in turn, `read` runs in threads."""

    def __init__(self, workload: Workload, door: Door, raw: Raw) -> None:
        self._workload = workload
        self._door = door
        self._raw = raw
        self._known = Ledger(raw.folder).load(raw.parts())
        self._entries: dict[str, Entry] = {}
        self._changed: set[str] = set()
        self._twins: _Twins | None = None
        self._counts: Counter[str] = Counter()
        self.items = 0
        self.refused: list[Refusal] = []

    def pending(self, items: Iterable[Item]) -> Iterator[Task]:
        """The items that must be read, in the order of the source.

        A duplicate that was refused comes up again when what it repeats has changed.
        """
        duplicates: list[tuple[Task, str]] = []
        for number, item in enumerate(items, start=1):
            task = Task(number, item, self._door.example(item), self._door.revision(item))
            self._once(task)
            entry = self._known.get(task.example)
            if entry is None or entry.revision != task.revision:
                if entry is not None:
                    self._changed.add(task.example)
                yield task
            elif entry.reason is not None and entry.reason.startswith(_DUPLICATE):
                duplicates.append((task, entry.reason))
            else:
                self._skip(task, entry)
        for task, reason in duplicates:
            if reason.removeprefix(_DUPLICATE) in self._changed:
                yield task
            else:
                self._skip(task, self._known[task.example])

    def read(self, task: Task) -> dict[str, Any] | str:
        """The row of `task`, or the reason why there is none."""
        try:
            row = self._door.row(task.item, where=f"item {task.number} of the source")
        except UnreadableError as error:
            return str(error)
        # Here and not in `rows`, because here it is done by many threads.
        return {**row, "content": content_digest(row, self._raw.columns)}

    def rows(self, results: Iterable[tuple[Task, dict[str, Any] | str]]) -> Iterator[Row]:
        """The rows to append, duplicates and repetitions left out."""
        progress = Progress("items read")
        for task, result in results:
            progress.add()
            reason = result if isinstance(result, str) else self._twin(task, result)
            if reason is not None:
                self._refuse(task, reason)
                continue
            row = {**result, "revision": task.revision}  # type: ignore[dict-item]
            entry = self._known.get(task.example)
            self._entries[task.example] = Entry(task.revision, row["content"], None)
            if entry is not None and entry.content == row["content"]:
                # The row that raw has says so already; the ledger puts it back in force if need be.
                self._counts["unchanged"] += 1
                continue
            self._counts["new" if entry is None else "revised"] += 1
            yield row

    def entries(self) -> dict[str, Entry]:
        """What the ledger must know from now on; what is gone from the source stays in raw."""
        gone = {e: entry for e, entry in self._known.items() if e not in self._entries}
        return {e: entry for e, entry in gone.items() if entry.reason is None} | self._entries

    def reasons(self) -> Counter[str]:
        """Reason → items refused; duplicates under one reason."""
        return Counter(
            "duplicate" if r.reason.startswith(_DUPLICATE) else r.reason for r in self.refused
        )

    @property
    def unusable(self) -> int:
        """Items refused for another reason than being there already."""
        return sum(not r.reason.startswith(_DUPLICATE) for r in self.refused)

    def counts(self) -> dict[str, Any]:
        """What this run did, for its outcome."""
        kinds = ("new", "revised", "unchanged", "skipped")
        gone = sum(example not in self._entries for example in self._known)
        return {
            "items": self.items,
            **{kind: self._counts[kind] for kind in kinds},
            "gone": gone,
            "quarantined": dict(self.reasons().most_common()),
        }

    def _once(self, task: Task) -> None:
        self.items += 1
        if task.example in self._entries:
            first = list(self._entries).index(task.example) + 1
            raise SourceError(
                f"items {first} and {task.number} of the source have the same name; keep one"
            )
        # Takes the place until the item is read; a run that ends before never saves it.
        self._entries[task.example] = Entry(task.revision, None, None)

    def _skip(self, task: Task, entry: Entry) -> None:
        self._counts["skipped"] += 1
        self._entries[task.example] = entry
        if entry.reason is not None:
            self.refused.append(Refusal(task.item.key, task.example, entry.reason))

    def _refuse(self, task: Task, reason: str) -> None:
        before = self._known.get(task.example)
        content = None if before is None else before.content
        self._entries[task.example] = Entry(task.revision, content, reason)
        self.refused.append(Refusal(task.item.key, task.example, reason))

    def _twin(self, task: Task, row: Row) -> str | None:
        """Why `row` repeats another: same content, group and label; None where it does not.

        The same content of another group or under another label is kept: validate judges it.
        """
        if self._twins is None:
            self._twins = _Twins(self._workload, self._raw)
        twin = self._twins.add(task.example, row)
        return None if twin is None else f"{_DUPLICATE}{twin}"


class _Twins:
    """Which example first said what; 8 bytes each, so that a million fit in memory."""

    def __init__(self, workload: Workload, raw: Raw) -> None:
        content = workload.duplicate_column
        self._columns = () if content is None else (content, "group", *workload.label_columns)
        self._first: dict[bytes, str] = {}
        self._said: dict[str, bytes] = {}
        if self._columns and raw.parts():
            frame = raw.frame(["example", *self._columns])
            for said in frame.itertuples(index=False, name=None):
                self.add(said[0], dict(zip(self._columns, said[1:], strict=True)))

    def add(self, example: str, row: Row) -> str | None:
        """Remember `row`; the example that says the same already, if there is one."""
        if not self._columns or row[self._columns[0]] is None:
            return None
        text = "\0".join(str(row[column]) for column in self._columns)
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        first = self._first.get(digest)
        # The first may have changed since it said this.
        if first is not None and first != example and self._said[first] == digest:
            return first
        self._first[digest], self._said[example] = example, digest
        return None


def write_quarantine(path: Path, refused: Iterable[Refusal]) -> None:
    """The list of what was refused, for this machine's user only: a key may name a person."""
    with files.new_file(path) as partial:
        partial.touch(mode=0o600)
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["item", "example", "reason"])
            writer.writerows([r.key, r.example, r.reason] for r in refused)
