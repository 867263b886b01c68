"""multipart/related as RFC 2046 has it written, and as the standard library's e-mail reads it."""

from email.parser import BytesParser
from email.policy import HTTP

BOUNDARY = "xx"
HEADERS = {"Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'}


def body(*files: bytes, kind: str = "application/dicom") -> bytes:
    """`files` between boundaries."""
    head = f"--{BOUNDARY}\r\nContent-Type: {kind}\r\n\r\n".encode()
    return b"".join(head + file + b"\r\n" for file in files) + f"--{BOUNDARY}--\r\n".encode()


def files(response) -> list[bytes]:
    """The parts of a response."""
    head = f"Content-Type: {response.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + response.content)
    assert message.get_content_type() == "multipart/related"
    assert message.get_param("type") == "application/dicom"
    parts = message.get_payload()
    assert {part.get_content_type() for part in parts} == {"application/dicom"}
    return [part.get_payload(decode=True) for part in parts]
