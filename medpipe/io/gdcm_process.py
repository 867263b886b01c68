"""One JPEG frame through gdcm, in a process of its own: this file is its program.

gdcm meets some damaged streams with an assertion, which ends the process that it runs in; in here
it ends nobody else's. Standard input is one line of JSON (`Frame`) and the compressed bytes;
standard output is the stored values, little endian. A start costs about 0.2 s, as decoding a
radiograph does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TypedDict

TIMEOUT_S = 120
"""Some damaged streams keep a decoder busy for ever; the largest radiograph takes a few seconds."""

_MEMORY_MAX = 4 << 30
"""Bytes of addresses; the largest radiograph takes a quarter of it."""


class Frame(TypedDict):
    """What a compressed frame of grey values decodes to."""

    syntax: str
    photometric: str
    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    is_signed: int


def decode(frame: Frame, compressed: bytes) -> bytes:
    """The stored values of `compressed`, row by row.

    Raises
    ------
    RuntimeError : gdcm refused it, crashed over it, or did not come to an end
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", __file__],  # a path, because a bento has its own way to medpipe
            input=json.dumps(frame).encode() + b"\n" + compressed,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=True,
        )
    except subprocess.SubprocessError:
        raise RuntimeError("gdcm failed") from None
    return done.stdout


def _main() -> None:
    import resource

    import gdcm

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_MAX, _MEMORY_MAX))
    frame: Frame = json.loads(sys.stdin.buffer.readline())
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(sys.stdin.buffer.read())
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((frame["columns"], frame["rows"], 1))
    image.SetDataElement(element)
    grey = gdcm.PhotometricInterpretation.GetPIType(frame["photometric"])
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
    syntax = gdcm.TransferSyntax.GetTSType(frame["syntax"])
    image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    stored = frame["bits_stored"]
    image.SetPixelFormat(
        gdcm.PixelFormat(1, frame["bits_allocated"], stored, stored - 1, frame["is_signed"])
    )
    values = image.GetBuffer()  # gdcm gives bytes as str
    sys.stdout.buffer.write(values.encode("utf-8", "surrogateescape"))


if __name__ == "__main__":
    _main()
