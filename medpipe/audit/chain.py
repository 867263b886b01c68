"""The key and what is made with it: digests of inputs, hashes of records, and whether they hold.

HMAC-SHA-256 (RFC 2104), each use under a name of its own. A plain hash would chain as well, but
whoever can change a record could then hash the rest anew; and a plain digest of an input could be
compared with that of a known image, or of every record that few fields allow. Neither is possible
without the key.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from medpipe import certificate
from medpipe.audit.record import START, Entry, Link, Record


@dataclass(frozen=True)
class Fault:
    """Something that is not as it was written.

    Parameters
    ----------
    sequence : of the first record that is concerned
    """

    sequence: int
    fault: str


class Chain:
    """Links and checks records under one secret key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def input_digest(self, payload: bytes) -> str:
        """64 hexadecimal digits, equal for equal payloads; tell nothing without the key."""
        return self.mac("input", payload)

    def mac(self, use: str, message: bytes) -> str:
        """64 hexadecimal digits that nobody without the key can make for `message`."""
        # Not `hmac.digest`, which holds Python's lock: an image takes milliseconds.
        made = hmac.new(self._key, use.encode() + b"\0", "sha256")
        made.update(message)
        return made.hexdigest()

    def key(self, use: str) -> bytes:
        """32 bytes for another use, from which this key cannot be told."""
        return bytes.fromhex(self.mac("key", use.encode()))

    def sealed(self, entries: Sequence[Entry], after: Link) -> list[Record]:
        """`entries` as the records that follow on `after`."""
        records = []
        for entry in entries:
            content = {**vars(entry), "sequence": after.sequence + 1, "previous": after.hash}
            records.append(Record(**content, hash=self._hash(content)))
            after = Link(records[-1].sequence, records[-1].hash)
        return records

    def is_genuine(self, record: Record) -> bool:
        """Whether it was written with this key, and is as it was written."""
        content = {column: value for column, value in vars(record).items() if column != "hash"}
        try:
            return hmac.compare_digest(self._hash(content), record.hash)
        except (TypeError, ValueError):  # a type or a number that no record ever held
            return False

    def _hash(self, content: dict[str, object]) -> str:
        return self.mac("record", certificate.canonical(content))


def faults(records: Iterable[Record], chain: Chain, heads: Sequence[Link]) -> Iterator[Fault]:
    """What is wrong, in order; nothing where all is as it was written.

    Parameters
    ----------
    records : all, by sequence
    heads : records that are known, from elsewhere, to have been there
    """
    known = {head.sequence: head.hash for head in heads}
    last = START
    for record in records:
        yield from _place(record, last)
        if not chain.is_genuine(record):
            yield Fault(record.sequence, "was changed, or was not written with this key")
        elif known.get(record.sequence, record.hash) != record.hash:
            yield Fault(record.sequence, "is another record than the head that is known of it")
        last = Link(record.sequence, record.hash)
    if (newest := max(known, default=0)) > last.sequence:
        yield Fault(
            last.sequence + 1,
            f"is missing, with all up to {newest}, which is known to have been there: the end was "
            "cut off, or an older copy put in its place",
        )


def _place(record: Record, last: Link) -> Iterator[Fault]:
    if record.sequence > last.sequence + 1:
        until = record.sequence - 1
        yield Fault(last.sequence + 1, f"is missing: records up to {until} were removed")
    elif record.sequence <= last.sequence:
        yield Fault(record.sequence, f"stands after {last.sequence}: it was inserted")
    elif record.previous != last.hash:
        yield Fault(
            record.sequence,
            f"does not follow on record {last.sequence} as it stands there: that one was changed, "
            "or this one inserted",
        )
