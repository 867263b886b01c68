"""Bodies of several files, ``multipart/related``: in memory only, counted while they arrive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from fastapi.responses import Response
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from medpipe.errors import RequestError
from medpipe.serving import intake
from medpipe.serving.batching import Place
from medpipe.serving.dicomweb import accept

PARTS_MAX = 100
"""Files of one request."""
BODY_MIB = 256
"""All files of one request together, or one file where that may be larger."""
_MIB = 1 << 20


@dataclass(frozen=True)
class Part:
    """One file of a request.

    Parameters
    ----------
    media_type : as its header says
    content : None where it is larger than a file may be
    """

    media_type: str
    content: bytes | None


async def received(request: Request, place: Place, *, max_upload_mib: int) -> list[Part]:
    """The files in a body, in their order.

    Parameters
    ----------
    place : of the request; accounts for the bytes while they arrive

    Raises
    ------
    OverloadedError : the uploads under way hold too much already
    RequestError : 415 not ``multipart/related`` of DICOM files; 413 too many files, or together too
        large; 400 no file, or the body is broken or cut off; 499 the client went away
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/related" or options.get(b"type") != accept.DICOM.encode():
        raise RequestError(f"send the files with the Content-Type {accept.RELATED}", status=415)
    parts = _Parts(max_upload_mib * _MIB)
    limit_mib = max(BODY_MIB, max_upload_mib)
    too_large = RequestError(
        f"the body is larger than {limit_mib} MiB; send fewer files at once", status=413
    )
    try:
        parser = parts.parser(options.get(b"boundary", b""))
        arriving = intake.chunks(request, place, limit=limit_mib * _MIB, too_large=too_large)
        async for chunk in arriving:
            parser.write(chunk)
    except FormParserError:
        parts.is_complete = False
    if not parts.is_complete or not parts.found:
        raise RequestError("the body is broken, cut off or holds no file; send it again")
    return parts.found


def response(files: Sequence[bytes]) -> Response:
    """DICOM files as one body."""
    boundary = uuid4().hex
    opening = f"--{boundary}\r\nContent-Type: {accept.DICOM}\r\n\r\n".encode()
    pieces = [piece for file in files for piece in (opening, file, b"\r\n")]
    body = b"".join([*pieces, f"--{boundary}--\r\n".encode()])
    return Response(body, media_type=f"{accept.RELATED}; boundary={boundary}")


class _Parts:
    """Collects the parts; of those that are too large, nothing.

    Parameters
    ----------
    limit : bytes of one part
    """

    def __init__(self, limit: int) -> None:
        self.found: list[Part] = []
        self.is_complete = False
        self._limit = limit
        self._begin()

    def parser(self, boundary: bytes) -> MultipartParser:
        """What has to be given the body. Raises FormParserError where there is no boundary."""
        if not boundary:
            raise FormParserError("no boundary")
        names = ("header_field", "header_value", "header_end", "part_data", "part_end", "end")
        callbacks = {f"on_{name}": getattr(self, f"_{name}") for name in names}
        return MultipartParser(boundary, callbacks)  # type: ignore[arg-type]

    def _begin(self) -> None:
        self._name = self._value = b""
        self._media_type = ""
        self._is_too_large = False
        self._content = bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._name.lower() == b"content-type":
            self._media_type = parse_options_header(self._value)[0].decode("latin-1")
        self._name = self._value = b""

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._is_too_large |= len(self._content) + end - start > self._limit
        if self._is_too_large:
            self._content = bytearray()
        else:
            self._content += data[start:end]

    def _part_end(self) -> None:
        content = None if self._is_too_large else bytes(self._content)
        self.found.append(Part(self._media_type, content))
        self._begin()
        if len(self.found) > PARTS_MAX:
            raise RequestError(f"more than {PARTS_MAX} files; send fewer at once", status=413)

    def _end(self) -> None:
        self.is_complete = True
