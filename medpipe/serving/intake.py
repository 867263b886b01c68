"""The body of a request: counted while it arrives, kept in memory only, its file name never read.

Starlette's own form parser is not used, because it writes parts above 1 MB to a temporary file: an
identifiable image would lie on the disk of the server.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from medpipe.errors import RequestError
from medpipe.serving.batching import Place

RAW_TYPES = ("application/dicom", "image/png", "image/jpeg", "application/octet-stream")
"""Media types of a body that is the file itself. What is in it is decided by its bytes."""

RECORD_TYPE = "application/json"
"""Media type of a body that is a record."""

FORM_TYPE = "multipart/form-data"
FIELD = "file"
CLIENT_CLOSED = 499
RECORD_MAX_MIB = 8
"""Of a record, whatever a file may have: JSON takes twenty times its length when it is read."""
_PARTS_MAX = 64  # of a form; each costs ten calls while nothing else is answered
_FORM_OVERHEAD = 64 * 1024  # bytes of boundaries and headers around the file
_MIB = 1 << 20


async def payload(
    request: Request, place: Place, *, max_upload_mib: int, kind: Literal["file", "record"] = "file"
) -> bytes:
    """The bytes of the uploaded file, from a multipart field ``file`` or a raw body; or the JSON.

    Parameters
    ----------
    place : of the request; accounts for the bytes while they arrive

    Raises
    ------
    OverloadedError : the uploads under way hold too much already
    RequestError : 415 another media type, or compressed for the way; 413 longer than
        `max_upload_mib`, declared or counted; 400 empty, or a form that is broken or has no file;
        499 the client went away
    """
    if request.headers.get("content-encoding", "identity") != "identity":
        raise RequestError("send the body as it is, without Content-Encoding", status=415)
    max_upload_mib = limit_mib(kind, max_upload_mib)
    media_type, options = parse_options_header(request.headers.get("content-type"))
    _check_type(said := media_type.decode("latin-1"), kind)
    is_form = said == FORM_TYPE
    limit = max_upload_mib * _MIB
    body = await _received(
        request, place, limit=limit + _FORM_OVERHEAD * is_form, named_mib=max_upload_mib
    )
    content = _file_of_form(body, options.get(b"boundary", b"")) if is_form else body
    if len(content) > limit:
        raise _too_large(max_upload_mib)
    if not content:
        raise RequestError("the body is empty", status=400)
    return content


def limit_mib(kind: Literal["file", "record"], max_upload_mib: int) -> int:
    """What may be sent of this kind, MiB, where `max_upload_mib` is set for files."""
    return min(max_upload_mib, RECORD_MAX_MIB) if kind == "record" else max_upload_mib


async def document(
    request: Request, place: Place, *, max_upload_mib: int, types: Sequence[str]
) -> Any:
    """The JSON in the body of a request; raises as `payload` does, and 400 where it is no JSON.

    Parameters
    ----------
    types : media types that are taken for JSON
    """
    media_type, _ = parse_options_header(request.headers.get("content-type"))
    if media_type.decode("latin-1") not in types:
        raise RequestError(f"send JSON with the Content-Type {' or '.join(types)}", status=415)
    body = await _received(request, place, limit=max_upload_mib * _MIB, named_mib=max_upload_mib)
    try:
        return await asyncio.to_thread(json.loads, body)
    except (ValueError, RecursionError):  # neither JSON nor, at times, UTF-8
        raise RequestError("the body is not JSON", status=400) from None


def _check_type(said: str, kind: Literal["file", "record"]) -> None:
    if kind == "record":
        if said != RECORD_TYPE:
            raise RequestError(
                f"send one JSON object with the Content-Type {RECORD_TYPE}", status=415
            )
    elif said not in (FORM_TYPE, *RAW_TYPES):
        raise RequestError(
            f"send the file as {FORM_TYPE} with a field {FIELD!r}, or as the body with the "
            f"Content-Type {', '.join(RAW_TYPES)}",
            status=415,
        )


async def chunks(
    request: Request, place: Place, *, limit: int, too_large: RequestError
) -> AsyncIterator[bytes]:
    """The body as it arrives, counted and accounted for.

    Raises
    ------
    OverloadedError : the uploads under way hold too much already
    RequestError : `too_large`, past `limit` bytes, declared or counted; 499 the client went away
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    total = 0
    try:
        async for chunk in request.stream():  # a chunked upload declares nothing: count
            total += len(chunk)
            if total > limit:
                raise too_large
            place.hold(len(chunk))
            yield chunk
    except ClientDisconnect:
        raise RequestError("the upload was cut off", status=CLIENT_CLOSED) from None


async def _received(request: Request, place: Place, *, limit: int, named_mib: int) -> bytes:
    body = bytearray()
    async for chunk in chunks(request, place, limit=limit, too_large=_too_large(named_mib)):
        body += chunk  # a list of small chunks would hold twenty times their bytes
    return bytes(body)


def _too_large(max_upload_mib: int) -> RequestError:
    return RequestError(
        f"the body is larger than {max_upload_mib} MiB; send one example, compressed, or have "
        "serve.max_upload_mib raised",
        status=413,
    )


class _Form:
    """Collects the part named ``file``; other parts, and all file names, are dropped unread."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.files = 0
        self.is_complete = False
        self._header = b""
        self._value = b""
        self._wanted = False
        self._parts = 0

    def on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > _PARTS_MAX:
            raise FormParserError
        self._wanted = False

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            self._wanted = options.get(b"name") == FIELD.encode()
            self.files += self._wanted
        self._header = self._value = b""

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._wanted:
            self.pieces.append(data[start:end])

    def on_end(self) -> None:
        self.is_complete = True


def _file_of_form(body: bytes, boundary: bytes) -> bytes:
    form = _Form()
    names = ("part_begin", "header_field", "header_value", "header_end", "part_data", "end")
    callbacks = {f"on_{name}": getattr(form, f"on_{name}") for name in names}
    try:
        MultipartParser(boundary, callbacks).write(body)  # type: ignore[arg-type]
    except FormParserError:
        form.is_complete = False
    if not form.is_complete or not boundary:
        raise RequestError(
            f"the form is broken or cut off, or has over {_PARTS_MAX} parts; send the file alone",
            status=400,
        )
    if form.files != 1:
        raise RequestError(
            f"the form must have exactly one field {FIELD!r} with one file; it has {form.files}",
            status=400,
        )
    return b"".join(form.pieces)
