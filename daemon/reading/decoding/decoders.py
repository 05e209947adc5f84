"""Compressed frame -> samples, by a first decoder and, where that fails, by a second one.

Whether a frame is whole is never left to a decoder's kindness:

* OpenJPEG is strict about the lengths of tile parts, and CharLS about coded data, once the end
  marker is there; `packbits` counts what every segment gives.
* libjpeg fills up what is missing. But what follows a whole scan changes nothing, so a frame is
  decoded once more with other bytes behind it: where the picture changes, it was cut.
"""

import io
from collections.abc import Callable, Mapping
from typing import Any

import gdcm
import jpeg_ls
import numpy as np
from numpy.typing import NDArray
from openjpeg.utils import decode as decode_2000
from PIL import Image
from pydicom.uid import UID

from daemon.dicom.syntaxes import CODINGS, Decoder, Family
from daemon.reading.decoding.layout import Layout
from daemon.reading.decoding.packbits import unpacked
from daemon.reading.decoding.refusal import NotReadable
from daemon.reading.decoding.samples import Samples
from daemon.reading.decoding.streams import END, Stream, stream_of
from daemon.reasons import Reason

_Array = NDArray[np.integer[Any]]
_Decode = Callable[[bytes, Stream, UID], _Array]

_OTHER_BYTES = bytes((37 * number + 170) % 251 for number in range(256))
"""None of them is 0xFF; the first bit differs from the zeros that libjpeg fills in."""
_RESTARTS = b"".join(bytes((0xFF, mark)) + _OTHER_BYTES for mark in range(0xD0, 0xD8))
_BEHIND = {Decoder.GDCM: _OTHER_BYTES, Decoder.PILLOW: _OTHER_BYTES + _RESTARTS}
"""A frame that was cut before a restart marker goes on at the next; GDCM refuses such itself."""


def samples_of(frame: bytes, syntax: UID, layout: Layout) -> tuple[Samples, bool]:
    """Decode a compressed frame.

    Returns
    -------
    samples : Samples
    second : bool
        Whether the first decoder failed and the second one read it.

    Raises
    ------
    NotReadable
        No decoder reads the frame, or it is cut off.
    """
    coding = CODINGS[syntax]
    if coding.family is Family.RLE:
        stream = Stream(frame, layout.allocated, layout.shape)
    else:
        stream = stream_of(frame, coding.family, layout.shape)
    for decoder in coding.decoders:
        values = decoded_by(decoder, stream, syntax)
        if values is not None:
            if coding.family is Family.JPEG and not _is_whole(decoder, stream, syntax, values):
                raise NotReadable(Reason.UNREADABLE, "the compressed frame is cut off")
            second = decoder is not coding.decoders[0]
            return Samples(values, stream.precision, stream.signed), second
    raise NotReadable(Reason.UNREADABLE, "no decoder reads the compressed frame")


def decoded_by(decoder: Decoder, stream: Stream, syntax: UID) -> _Array | None:
    """Return what one decoder makes of a frame, in whichever way its end is understood.

    Returns
    -------
    integer array, shape (rows, columns), or None
        None where it does not read the frame.

    Raises
    ------
    NotReadable
        The frame is certainly cut off.
    """
    if decoder is Decoder.OURS or CODINGS[syntax].family is Family.RLE:
        return _tried(decoder, stream.body, stream, syntax)
    for data in stream.spellings:
        values = _tried(decoder, data, stream, syntax)
        if values is not None:
            return values
    return None


def _tried(decoder: Decoder, data: bytes, stream: Stream, syntax: UID) -> _Array | None:
    try:
        values = _DECODE[decoder](data, stream, syntax)
    except NotReadable:  # certainly cut off: a more lenient decoder must not be asked
        raise
    except Exception:  # noqa: BLE001 - native code fails with whatever it likes; the next is tried
        return None
    return values if values.shape == stream.shape else None


def _is_whole(decoder: Decoder, stream: Stream, syntax: UID, values: _Array) -> bool:
    again = _tried(decoder, stream.body + _BEHIND[decoder] + END, stream, syntax)
    return again is not None and np.array_equal(values, again)


def _ours(data: bytes, stream: Stream, _: UID) -> _Array:
    return unpacked(data, stream.shape, stream.precision)


def _charls(data: bytes, stream: Stream, _: UID) -> _Array:
    decoded, _info = jpeg_ls.decode_pixel_data(data)
    return np.frombuffer(decoded, _cell(stream.precision)).reshape(stream.shape)


def _openjpeg(data: bytes, _stream: Stream, _: UID) -> _Array:
    return np.asarray(decode_2000(data, j2k_format=0))


def _pillow(data: bytes, _stream: Stream, _: UID) -> _Array:
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        if image.mode != "L":
            raise ValueError("not one grey sample a pixel")
        return np.asarray(image)


def _gdcm(data: bytes, stream: Stream, syntax: UID) -> _Array:
    """Decode with GDCM, which is told what the stream itself says: it believes its caller."""
    rows, columns = stream.shape
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(data)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetDataElement(element)
    grey = gdcm.PhotometricInterpretation.MONOCHROME2
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(syntax))))
    cell, precision = np.dtype(_cell(stream.precision, stream.signed)), stream.precision
    image.SetPixelFormat(
        gdcm.PixelFormat(1, 8 * cell.itemsize, precision, precision - 1, int(stream.signed))
    )
    buffer = image.GetBuffer()
    if buffer is None:
        raise ValueError("GDCM does not read it")
    return np.frombuffer(buffer.encode("utf-8", "surrogateescape"), cell).reshape(stream.shape)


def _cell(precision: int, signed: bool = False) -> str:
    """Return the type of the smallest cell that holds a sample."""
    size = next(size for size in (1, 2, 4) if precision <= 8 * size)
    return f"<{'i' if signed else 'u'}{size}"


_DECODE: Mapping[Decoder, _Decode] = {
    Decoder.OURS: _ours,
    Decoder.GDCM: _gdcm,
    Decoder.CHARLS: _charls,
    Decoder.OPENJPEG: _openjpeg,
    Decoder.PILLOW: _pillow,
}
