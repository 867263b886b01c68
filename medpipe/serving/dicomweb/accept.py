"""Which of several media types a client would rather have: the header ``Accept``, RFC 9110 12.5.1.

The type of a ``multipart/related`` is that of its parts, and a transfer syntax may be asked for:
PS3.18 sections 8.7.3 and 8.7.5.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from urllib.request import parse_http_list

from python_multipart.multipart import parse_options_header

JSON = "application/json"
DICOM_JSON = "application/dicom+json"
DICOM = "application/dicom"
RELATED = 'multipart/related; type="application/dicom"'

_SYNTAXES = (b"*", b"1.2.840.10008.1.2.1")  # any; Explicit VR Little Endian, which is what is sent


@functools.lru_cache(maxsize=64)  # clients send the same few
def preferred(header: str | None, offered: tuple[str, ...]) -> str | None:
    """Of `offered` the type with the highest quality, the first of equals; None if none will do."""
    ranges = parse_http_list(header) if header and header.strip() else ["*/*"]
    best = max(offered, key=lambda offer: _quality(offer, ranges))
    return best if _quality(best, ranges) > 0 else None


def _quality(offer: str, ranges: Sequence[str]) -> float:
    """What the most exact of the ranges that hold `offer` says of it; 0 where none does."""
    found = [fit for each in ranges if (fit := _fit(offer, each)) is not None]
    return max(found)[1] if found else 0.0


def _fit(offer: str, said: str) -> tuple[int, float] | None:
    """How exactly a media range names `offer`, and its quality; None where it does not."""
    kind, part = parse_options_header(offer)
    wanted, options = parse_options_header(said)
    if wanted not in (kind, kind.partition(b"/")[0] + b"/*", b"*/*"):
        return None
    if options.get(b"type", part.get(b"type")) != part.get(b"type"):
        return None
    if options.get(b"transfer-syntax", b"*") not in _SYNTAXES:
        return None
    exactness = 2 - wanted.count(b"*")
    return exactness, _share(options.get(b"q", b"1"))


def _share(text: bytes) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0
