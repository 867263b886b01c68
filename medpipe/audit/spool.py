"""Where entries wait while the store is down, if the policy lets the service answer meanwhile.

One file for the processes of a machine, flushed to the disk before an answer leaves. A line is
keyed together with its place in the file, so that none can be changed, removed from the middle or
exchanged with another; that the last ones were cut off cannot be seen.
"""

from __future__ import annotations

import fcntl
import hmac
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from medpipe import certificate, files
from medpipe.audit.chain import Chain
from medpipe.audit.record import Entry
from medpipe.errors import AuditError

_MAC_CHARACTERS = 64
_AT_ONCE = 1000
_TAIL = 4096
"""Bytes that the last lines are looked for in; a line has about 600."""


class Spool:
    """The file at `path`; there may be none."""

    def __init__(self, path: Path, chain: Chain) -> None:
        self.path = path
        self._chain = chain

    def append(self, entries: Sequence[Entry]) -> None:
        """Put `entries` aside, on the disk when this returns.

        Raises
        ------
        StorageError, OSError : the disk is full or may not be written
        """
        with files.explained(self.path), self._open(os.O_RDWR | os.O_CREAT) as file:
            end = _whole(file)
            lines = b""
            for entry in entries:
                lines += self._line(certificate.canonical(vars(entry)), at=end + len(lines))
            # What was left half written by a kill was never answered, and goes.
            file.truncate(end)
            file.seek(end)
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())

    def drain(self, take: Callable[[Sequence[Entry]], object]) -> int:
        """Hand everything to `take`, some at a time, and forget it; gives how many entries.

        Killed in between, it hands the same entries over again: `Store.append` knows them.

        Raises
        ------
        AuditError : a line is not as it was written
        """
        try:
            with self._open(os.O_RDWR) as file:
                count = 0
                entries = self._entries(file)
                while some := list(islice(entries, _AT_ONCE)):
                    take(some)
                    count += len(some)
                file.truncate(0)
                os.fsync(file.fileno())
                return count
        except FileNotFoundError:
            return 0

    def waiting(self) -> int:
        """How many entries are in it."""
        return self.path.read_bytes().count(b"\n") if self.path.exists() else 0

    @contextmanager
    def _open(self, flags: int) -> Iterator[BinaryIO]:
        with os.fdopen(os.open(self.path, flags, 0o600), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def _line(self, content: bytes, *, at: int) -> bytes:
        return b"%s %s\n" % (self._chain.mac(f"spool {at}", content).encode(), content)

    def _entries(self, file: BinaryIO) -> Iterator[Entry]:
        place = 0
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return  # left half written by a kill, and never answered
            said = line[_MAC_CHARACTERS + 1 : -1]
            if not hmac.compare_digest(line, self._line(said, at=place)):
                raise AuditError(
                    f"{self.path}: line {number} was changed, or lines before it were removed; "
                    "keep the file for whoever looks into it, and move it away to go on"
                )
            yield Entry(**json.loads(said))
            place += len(line)


def _whole(file: BinaryIO) -> int:
    """Bytes of the lines in `file` that have their end."""
    size = place = file.seek(0, os.SEEK_END)
    while place:
        place = max(0, place - _TAIL)
        file.seek(place)
        if (found := file.read(size - place).rfind(b"\n")) >= 0:
            return place + found + 1
    return 0
