"""The newest record that this machine has seen, in a file apart from the table.

A chain shows what was changed, removed or inserted in it, but not that its end was cut off. So the
end is kept here too, keyed, and overwritten in place after every transaction. Whoever can put back
an older copy of table and file alike is found only with a head that lies elsewhere: the service
writes one into its log once a minute.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medpipe.audit.chain import Chain
from medpipe.audit.record import START, Link
from medpipe.errors import AuditError

_LINE = re.compile(rb"(\d{20}) ([0-9a-f]{64}) ([0-9a-f]{64})\n")


class Head:
    """The file at `path`, made on the first `raise_to`; shared by the processes of a machine."""

    def __init__(self, path: Path, chain: Chain) -> None:
        self.path = path
        self._chain = chain

    def read(self) -> Link:
        """The newest record seen; `START` where there is no file.

        Raises
        ------
        AuditError : the file was not written by medpipe with this key
        """
        try:
            with self._open(os.O_RDONLY) as handle:
                return self._read(handle)
        except FileNotFoundError:
            return START

    def raise_to(self, link: Link) -> None:
        """Remember `link`, unless a later one is remembered.

        It is not flushed to the disk: after a power cut the file may be behind the table, never
        ahead of it.
        """
        with self._open(os.O_RDWR | os.O_CREAT) as handle:
            if link.sequence > self._read(handle).sequence:
                self._write(handle, link)

    def put_back(self, link: Link) -> None:
        """Remember `link` whatever was there: records after it were lost, and a person knows."""
        with self._open(os.O_RDWR | os.O_CREAT) as handle:
            self._write(handle, link)

    @contextmanager
    def _open(self, flags: int) -> Iterator[int]:
        handle = os.open(self.path, flags, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield handle
        finally:
            os.close(handle)

    def _read(self, handle: int) -> Link:
        if not (content := os.pread(handle, 1024, 0)):
            return START  # made by another process, which has not written yet
        match = _LINE.fullmatch(content)
        if match is None or not hmac.compare_digest(self._mac(match[1], match[2]), match[3]):
            raise AuditError(
                f"{self.path} was changed, or not written with this key; if the records are whole "
                "(`medpipe audit verify` says so), remove it"
            )
        return Link(int(match[1]), match[2].decode())

    def _write(self, handle: int, link: Link) -> None:
        number, digest = b"%020d" % link.sequence, link.hash.encode()
        os.pwrite(handle, b"%s %s %s\n" % (number, digest, self._mac(number, digest)), 0)

    def _mac(self, number: bytes, digest: bytes) -> bytes:
        return self._chain.mac("head", number + b" " + digest).encode()
