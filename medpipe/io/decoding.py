"""Stored pixel values out of a DICOM dataset, through maintained, permissively licensed decoders.

pydicom's plug-ins do the work: pylibjpeg-openjpeg and -rle (MIT), pyjpegls (MIT) and Pillow. One is
named for each coding, never "whichever works": gdcm (BSD) ends its process over some damaged files,
so it is left out of this one, and gets in another (`gdcm_process`) the codings that no other reads.
JPEG 2000 goes to OpenCV first, the only one that lets other threads run meanwhile.
Times are of one radiograph of 2048 × 2048 px, 12 bits. Safe in threads: nothing is shared.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.pixels.utils import as_pixel_options
from pydicom.uid import (
    HTJ2K,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
    RLELossless,
)

from medpipe.errors import UnreadableError
from medpipe.io import gdcm_process, jpeg, jpeg_2000

_PLUGINS = {
    **dict.fromkeys(JPEG2000TransferSyntaxes, "pylibjpeg"),  # signed or odd; 0.9 s
    HTJ2K: "pylibjpeg",
    HTJ2KLossless: "pylibjpeg",
    HTJ2KLosslessRPCL: "pylibjpeg",
    **dict.fromkeys(JPEGLSTransferSyntaxes, "pyjpegls"),  # 0.17 s; gdcm 0.32 s
    RLELossless: "pylibjpeg",  # 0.03 s; pydicom's own 0.41 s
    JPEGBaseline8Bit: "pillow",
    JPEGExtended12Bit: "pillow",  # of 8 bits; gdcm for more
}
_GDCM_ONLY = (
    JPEGLossless,
    JPEGLosslessSV1,
    "1.2.840.10008.1.2.4.53",  # spectral selection and full progression, retired
    "1.2.840.10008.1.2.4.55",
)
_UNCOMPRESSED = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
)
# Plug-ins raise whatever their C libraries' wrappers raise.
_DECODER_ERRORS = (
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    NotImplementedError,
    EOFError,
    OSError,
    ArithmeticError,
    MemoryError,
    struct.error,
)
_JPEG_2000 = (*JPEG2000TransferSyntaxes, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL)
_ITEM = b"\xfe\xff\x00\xe0"  # begins each fragment of encapsulated pixel data, PS3.5 A.4
_FRAGMENTS_MAX = 10_000


def decode(dataset: Dataset) -> np.ndarray:
    """The stored values of a single-frame grey image, before rescaling, as its header types them.

    Returns
    -------
    (H, W), an integer type in this machine's byte order

    Raises
    ------
    UnreadableError : no decoder, broken or too little pixel data, or a compressed image of another
        size than the header claims (its memory would not be limited by what was checked)
    """
    syntax = UID(str(dataset.file_meta.TransferSyntaxUID))
    if syntax not in (*_PLUGINS, *_GDCM_ONLY, *_UNCOMPRESSED):
        raise UnreadableError(
            f"transfer syntax {syntax_name(dataset)} is not read here; export the file as Explicit "
            "VR Little Endian",
            fault="coding",
        )
    try:
        if syntax.is_encapsulated:
            _check_compressed(dataset, syntax)
        if syntax in _GDCM_ONLY or (syntax == JPEGExtended12Bit and dataset.BitsStored > 8):
            return _decode_elsewhere(dataset, syntax)
        values = _decode(dataset, syntax)
    except _DECODER_ERRORS:
        raise UnreadableError(_reason(dataset, syntax)) from None
    return np.asarray(values, values.dtype.newbyteorder("="))


def syntax_name(dataset: Dataset) -> str:
    """The standard's name of the transfer syntax; "unknown" if private: its UID may tell whose."""
    uid = UID(str(dataset.file_meta.get("TransferSyntaxUID", "")))
    return uid.name if uid.is_transfer_syntax and not uid.is_private else "unknown"


def _reason(dataset: Dataset, syntax: UID) -> str:
    if syntax.is_encapsulated:
        return (
            f"the pixel data cannot be decoded ({syntax_name(dataset)}): the file is damaged, or "
            "compressed in a way that is not read here; export it as Explicit VR Little Endian"
        )
    return (
        "the pixel data are fewer than the header says, or the header is damaged; export the file "
        "again"
    )


def _decode(dataset: Dataset, syntax: UID) -> np.ndarray:
    if syntax in JPEG2000TransferSyntaxes and (found := _unsigned_jpeg_2000(dataset)) is not None:
        return found
    # A view where the values fill their bytes; otherwise pydicom clears bits, and warns of a view.
    is_full = dataset.BitsStored == dataset.BitsAllocated
    options: dict[str, Any] = as_pixel_options(dataset, view_only=is_full)
    with _panic_as_error():
        values, _ = get_decoder(syntax).as_array(
            dataset, index=0, raw=True, decoding_plugin=_PLUGINS.get(syntax, ""), **options
        )
    return np.asarray(values)


def _unsigned_jpeg_2000(dataset: Dataset) -> np.ndarray | None:
    """The values by OpenCV; None where it cannot, or where stream and header do not agree.

    A large film takes a second, in which pydicom's plug-ins would stop every thread.
    """
    frame = _frame(dataset)
    stream = jpeg_2000.examine(frame)
    if dataset.PixelRepresentation or stream.is_signed or stream.bits != dataset.BitsStored:
        return None
    # It warns of every stream that is no JP2 file that its colours are not stated.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        values = cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if values is None or values.shape != (dataset.Rows, dataset.Columns):
        return None
    return np.asarray(values, f"u{int(dataset.BitsAllocated) // 8}")


@contextmanager
def _panic_as_error() -> Iterator[None]:
    """Keep a damaged file from ending the process.

    The RLE decoder is written in Rust; its index errors arrive as pyo3's PanicException, which no
    module exports and which passes every `except Exception`.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise RuntimeError("a decoder panicked") from None
        raise


def _decode_elsewhere(dataset: Dataset, syntax: UID) -> np.ndarray:
    frame = gdcm_process.Frame(
        syntax=str(syntax),
        photometric=str(dataset.PhotometricInterpretation).strip(),
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        bits_allocated=int(dataset.BitsAllocated),
        bits_stored=int(dataset.BitsStored),
        is_signed=int(dataset.PixelRepresentation),
    )
    dtype = np.dtype(f"<{'ui'[frame['is_signed']]}{frame['bits_allocated'] // 8}")
    values = np.frombuffer(gdcm_process.decode(frame, _frame(dataset)), dtype)
    unused = frame["bits_allocated"] - frame["bits_stored"]
    return (values.reshape(frame["rows"], frame["columns"]) << unused) >> unused  # the sign


def _frame(dataset: Dataset) -> bytes:
    if dataset.PixelData.count(_ITEM) > _FRAGMENTS_MAX:
        raise ValueError("more fragments than any image of one frame")
    return bytes(next(generate_frames(dataset.PixelData, number_of_frames=1)))


def _check_compressed(dataset: Dataset, syntax: UID) -> None:
    """Refuse a stream of another size than the header says, or made to cost much to decode."""
    frame = _frame(dataset)
    if syntax == RLELossless:
        return  # it has no header of its own; its decoder stops at the size of the image
    if syntax in _JPEG_2000:
        stream = jpeg_2000.examine(frame)
        size: tuple[int, int] | None = (stream.rows, stream.columns)
    else:
        size = jpeg.size(frame)
        jpeg.check_scans(frame)
    if size is None:
        raise ValueError("no header")
    if size != (dataset.Rows, dataset.Columns):
        raise UnreadableError(
            f"the compressed image is {size[1]} × {size[0]} px and its header says "
            f"{dataset.Columns} × {dataset.Rows} px"
        )
