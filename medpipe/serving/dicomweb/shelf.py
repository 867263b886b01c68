"""Objects that wait to be fetched: in memory, for minutes, within a number and a size.

They name patients, so they lie on no disk and in no other process. Whoever comes too late, or
reaches another worker of the service, sends the images again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from medpipe.io.derived import Made

KEEP_S = 600.0
"""Seconds until an object is dropped."""
OBJECTS_MAX = 1000
BYTES_MAX = 256 << 20
"""Beyond either, the oldest are dropped."""


@dataclass(frozen=True)
class Address:
    """Where an object is found: by whom the image was sent, to which workload, of which study."""

    caller: str
    workload: str
    study_uid: str


@dataclass(frozen=True)
class _Kept:
    until: float
    address: Address
    made: Made


class Shelf:
    """The objects by their address. Lives in one event loop."""

    def __init__(
        self,
        *,
        keep_s: float = KEEP_S,
        objects_max: int = OBJECTS_MAX,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        self._keep_s = keep_s
        self._objects_max = objects_max
        self._bytes_max = bytes_max
        self._kept: deque[_Kept] = deque()
        self._size = 0

    def put(self, address: Address, made: Made) -> None:
        """Keep `made` until it is too old, or too much has come after it."""
        loop = asyncio.get_running_loop()
        self._kept.append(_Kept(loop.time() + self._keep_s, address, made))
        self._size += len(made.data)
        self._drop()
        loop.call_later(self._keep_s, self._drop)

    def find(
        self, address: Address, series_uid: str | None = None, instance_uid: str | None = None
    ) -> list[Made]:
        """What is kept of a study, a series or one instance, oldest first."""
        return [
            kept.made
            for kept in self._kept
            if kept.address == address
            and series_uid in (None, kept.made.series_uid)
            and instance_uid in (None, kept.made.instance_uid)
        ]

    def _drop(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._kept and (
            self._kept[0].until <= now
            or len(self._kept) > self._objects_max
            or self._size > self._bytes_max
        ):
            self._size -= len(self._kept.popleft().made.data)
