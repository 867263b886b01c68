"""One uploaded instance: read for the desk, and remembered for the objects of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medpipe.errors import RequestError, UnreadableError
from medpipe.io import derived, image
from medpipe.io.derived import Source
from medpipe.serving.batching import Place
from medpipe.serving.desk import Content
from medpipe.serving.predictor import limits, refused
from medpipe.serving.release import Release


@dataclass
class Question:
    """What is asked of the desk: a `Content` that knows afterwards what it was about.

    Parameters
    ----------
    content : gives the file
    answer_id : of `audit.record.new_id`
    request_id : of the request that it came in; its own answer's where it came alone
    number : within the request, from 1
    study_uid : the study that the file must be of; None for any
    source, release : once the desk has asked for it, what was sent and who answers
    """

    content: Content
    answer_id: str
    request_id: str
    number: int = 1
    study_uid: str | None = None
    source: Source | None = field(default=None, init=False)
    release: Release | None = field(default=None, init=False)

    async def __call__(self, place: Place, release: Release) -> bytes:
        """The file.

        Raises
        ------
        RequestError : 415 it is not DICOM; 400, 422 it cannot be referred to, or is of another
            study; and whatever `content` raises
        """
        self.release = release
        payload = await self.content(place, release)
        self.source = await asyncio.to_thread(_source, payload, limits(release.settings))
        if self.study_uid not in (None, self.source.study_uid):
            raise RequestError(
                "the file is of another study than the address names; send it to its own",
                status=422,
                fault="content",
            )
        return payload


def _source(payload: bytes, limits: Mapping[str, Any]) -> Source:
    try:
        if image.kind(payload) != "dicom":
            raise UnreadableError(
                "an answer in DICOM refers to a DICOM file; send one, or accept application/json",
                fault="format",
            )
        return derived.read(payload, limits=limits)
    except UnreadableError as error:
        raise refused(error) from None
