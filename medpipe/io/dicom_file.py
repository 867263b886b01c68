"""The bytes of a DICOM file as a dataset, at a cost that does not depend on what is in them.

pydicom makes an object of each element, converts each value when it is looked at, and inflates a
deflated file whole: a few MiB made for the purpose would take minutes and GiB. What a radiograph
needs is far below the limits here.
"""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pydicom
from pydicom import config as pydicom_config
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag, Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from medpipe.errors import UnreadableError

INFLATED_MAX = 512 << 20
"""Bytes of an inflated file, where nobody says less: 256 megapixels of 16 bits."""

_READS_MAX = 50_000  # of one file; an element takes two or three
_VALUE_MAX = 0xFFFF  # bytes; more cannot be said of these values where the VR is explicit
_LOOKUP_TABLES_MAX = 1 << 20  # bytes; one with all entries of 16 bits has 128 KiB
_META_AT = 132  # bytes: preamble and "DICM"
_TRANSFER_SYNTAX = Tag("TransferSyntaxUID")
_CHARACTER_SET = (b"\x08\0\x05\0", b"\0\x08\0\x05")  # (0008,0005), either byte order
_ELEMENT_HEADER = 8  # bytes
_META_GROUP = 0x0002
_PIXELS = Tag("PixelData")
_LOOKUP_TABLES = Tag("VOILUTSequence")
# What pydicom and the conversions here raise for headers that are not what they say.
_HEADER_ERRORS = (
    InvalidDicomError,
    BytesLengthException,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    NotImplementedError,
    OSError,
    OverflowError,
    RecursionError,
    struct.error,
    zlib.error,
)


def parse(
    data: bytes, *, wanted: tuple[str, ...] | None = None, inflated_max: int = INFLATED_MAX
) -> Dataset:
    """The dataset in a DICOM file.

    Parameters
    ----------
    wanted : keywords of the elements to keep, so that no other can be looked at by mistake; their
        values are checked for length. None: all elements before the pixels
    inflated_max : bytes of a deflated file when it is inflated

    Raises
    ------
    UnreadableError : not DICOM, cut off, damaged, or more of something than a radiograph has
    """
    # Values that break their own rules are common and readable; pydicom's warnings quote them.
    pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE
    with explained():
        plain, is_deflated = _inflated(data, inflated_max)
        dataset = pydicom.dcmread(
            _Bounded(plain), stop_before_pixels=wanted is None, specific_tags=_tags(wanted)
        )
        if "TransferSyntaxUID" not in dataset.file_meta:
            raise InvalidDicomError
        if is_deflated:
            dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        if wanted is not None:
            _check_lengths(dataset)
    return dataset


@contextmanager
def explained() -> Iterator[None]:
    """Turn what a malformed element raises, which would quote it, into an UnreadableError."""
    try:
        yield
    except _HEADER_ERRORS:
        raise UnreadableError(
            "not a whole DICOM image: its header is cut off, or an element is missing or damaged"
        ) from None


class _Bounded(io.BytesIO):
    """A file that is read in so many steps at most: pydicom takes some for each element.

    pydicom converts one value while it reads, the character set; it may not be long either.
    """

    _reads = 0
    _header = b""

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads += 1
        if self._reads > _READS_MAX:
            raise UnreadableError(
                "the DICOM file has more elements than any radiograph; export the image anew",
                fault="size",
            )
        found = super().read(size)
        if len(found) > _VALUE_MAX and self._header[:4] in _CHARACTER_SET:
            raise InvalidDicomError
        if size == _ELEMENT_HEADER:
            self._header = found
        return found


def _inflated(data: bytes, most: int) -> tuple[bytes, bool]:
    """`data` with its deflated part inflated and said to be plain, and whether there was any.

    pydicom would inflate without a limit. Where the part begins is found as pydicom finds it; the
    length that the header states of itself is not to be trusted.
    """
    head = _Bounded(data)
    head.seek(_META_AT)
    meta = data_element_generator(
        head, is_implicit_VR=False, is_little_endian=True, stop_when=_after_meta
    )
    syntax = {element.tag: element.value for element in meta}.get(_TRANSFER_SYNTAX)
    if str(syntax or b"", "latin-1").rstrip(" \0") != DeflatedExplicitVRLittleEndian:
        return data, False
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = inflater.decompress(data[head.tell() :], most + 1)
    if len(inflated) > most:
        raise UnreadableError(
            f"the deflated file inflates to more than {most >> 20} MiB", fault="size"
        )
    if not inflater.eof:
        raise EOFError
    plain = ExplicitVRLittleEndian.encode().ljust(len(DeflatedExplicitVRLittleEndian), b"\0")
    start = data[: head.tell()].replace(DeflatedExplicitVRLittleEndian.encode(), plain)
    return start + inflated, True


def _after_meta(tag: BaseTag, vr: str | None, length: int) -> bool:
    return bool(tag.group != _META_GROUP)


@functools.cache
def _tags(wanted: tuple[str, ...] | None) -> list[BaseTag] | None:
    """As pydicom takes them; looking them up costs half as much as reading a header."""
    return None if wanted is None else [Tag(keyword) for keyword in (*wanted, "PixelData")]


def _check_lengths(dataset: Dataset) -> None:
    """Refuse values that would take long to convert; nothing is converted here."""
    for element in dataset.values():
        limit = _LOOKUP_TABLES_MAX if element.tag == _LOOKUP_TABLES else _VALUE_MAX
        if element.tag != _PIXELS and _length(element) > limit:
            raise InvalidDicomError


def _length(element: RawDataElement | DataElement) -> int:
    """Bytes of a value that is not converted, or of all those in a sequence."""
    if element.VR == "SQ" and isinstance(element, DataElement):
        return sum(_length(inner) for item in element.value for inner in item.values())
    value = element.value
    return len(value) if isinstance(value, bytes) else 0
