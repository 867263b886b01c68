"""What the champion is asked of each item of a source, and why it cannot be asked of some.

Reading and encoding are `Workload.request`, as in the service: for the same file or record the
model sees the same inputs, to the last bit. Of records, a value outside what its column declares is
treated as training treated it: not known where the column is flagged, refused where it is not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from medpipe.audit.chain import Chain
from medpipe.deidentify.row import Door
from medpipe.errors import UnreadableError
from medpipe.monitoring import pixels
from medpipe.monitoring.facts import Value
from medpipe.records import record
from medpipe.serving.predictor import STATUS, limits
from medpipe.serving.release import Release
from medpipe.workload import Item, Row

_JSON = json.JSONEncoder(sort_keys=True, default=str)


@dataclass(frozen=True)
class Question:
    """One example, encoded.

    Parameters
    ----------
    example, group, site : pseudonyms; group and site are None where nothing says them
    digest : keyed, of what the model is asked about
    row : what is known of it
    pixels : facts of its images, see `monitoring.pixels`
    """

    example: str
    group: str | None
    site: str | None
    digest: str
    inputs: dict[str, np.ndarray]
    cautions: tuple[str, ...]
    row: Row
    pixels: Mapping[str, Value]


@dataclass(frozen=True)
class Refused:
    """An item that the model cannot be asked about.

    Parameters
    ----------
    digest : as of a `Question`; None where nothing could be read
    status : with which the service would refuse it
    reason : names no one
    """

    example: str
    digest: str | None
    status: int
    reason: str


class Questions:
    """Reads items for `release`. `read` may run in many threads."""

    def __init__(self, release: Release, door: Door, chain: Chain) -> None:
        self._workload, self._state = release.workload, release.state
        self._limits = limits(release.settings)
        self._door, self._chain = door, chain
        asked = record.asked(self._workload) if self._workload.payload == "record" else ()
        self._check = record.Check([column for column in asked if not column.flagged])

    def read(self, item: Item) -> Question | Refused:
        """`item` as a question, or why there is none."""
        example, digest = self._door.example(item), None
        try:
            payload = self._door.payload(item)
            digest = self._chain.input_digest(_bytes(payload))
            row, inputs = self._workload.request(payload, self._state, limits=self._limits)
            self._check(row)
            if (reason := self._workload.excluded(row)) is not None:
                raise UnreadableError(reason, fault="content")
        except UnreadableError as error:
            return Refused(example, digest, STATUS[error.fault], str(error))
        group, site = self._door.whose(item, payload)
        cautions = self._workload.cautions(row, self._state)
        seen = pixels.of_inputs(inputs)
        return Question(example, group, site, digest, inputs, cautions, row, seen)


def _bytes(payload: bytes | Row) -> bytes:
    """A file as it is, so that `medpipe audit find` knows it; a record as JSON."""
    if isinstance(payload, bytes):
        return payload
    stated: dict[str, Any] = {name: value for name, value in payload.items() if value is not None}
    return _JSON.encode(stated).encode()
