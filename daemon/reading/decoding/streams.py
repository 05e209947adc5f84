"""The one compressed frame, and what it says of itself (PS3.5 A.4, annex A.4.1 to A.4.4).

Writers are sloppy at the end of a frame: the end marker is missing, or zeros follow it. Both are
put right here, so that no decoder has to guess.
"""

import struct
from dataclasses import dataclass

from daemon.dicom.elements import items
from daemon.dicom.syntaxes import Family
from daemon.reading.refused import NotReadable
from daemon.reasons import Reason

END = b"\xff\xd9"
"""EOI of JPEG and JPEG-LS, EOC of JPEG 2000. No coded data hold these two bytes."""
_START_OF_IMAGE = b"\xff\xd8\xff"
_START_OF_CODESTREAM = b"\xff\x4f\xff\x51"
_START_OF_SCAN, _JPEG_LS_FRAME = 0xDA, 0xF7
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {_JPEG_LS_FRAME}
"""SOF0 to SOF15 and SOF55; C4, C8 and CC are tables and reserved."""
_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1), 0xC2
_DCT_PRECISIONS = (8, 12)
"""There are no others (ISO 10918-1 table B.2): GDCM writes 16, and its decoder overflows on it."""
_WHOLE_SPECTRUM = bytes((0, 63, 0))
"""How a scan header of a sequential frame ends (ISO 10918-1 table B.3); some writers put zeros."""
_FILL = 0xFF
_SEGMENT = struct.Struct(">BBH")
"""0xFF, marker, length without the marker."""
_FRAME = struct.Struct(">BHHB")
"""Precision, lines, samples a line, components (ISO 10918-1 B.2.2)."""
_SIZE = struct.Struct(">IIII")
"""Extent and offset of the image (ISO 15444-1 A.5.1): they lie 8 bytes behind the start."""
_SIZE_AT, _PRECISION_AT = 8, 42


@dataclass(frozen=True)
class Stream:
    """A compressed frame without its end marker.

    `precision` is the number of bits of a sample, `signed` whether the stream itself has negative
    ones (JPEG 2000 only).
    """

    body: bytes
    precision: int
    shape: tuple[int, int]
    signed: bool = False
    ended: bool = True
    """Whether the end marker was there."""

    @property
    def whole(self) -> bytes:
        """The frame with its end marker."""
        return self.body + END

    @property
    def spellings(self) -> tuple[bytes, ...]:
        """What the frame may have been: without an end marker, zeros at the end may be padding."""
        if self.ended or not self.body.endswith(b"\0"):
            return (self.whole,)
        return self.whole, self.body[:-1] + END, self.body.rstrip(b"\0") + END


def frame_of(value: memoryview) -> bytes:
    """Join the fragments of the one frame (PS3.5 A.4): what follows the offset table.

    Raises
    ------
    Unreadable
        These are no fragments.
    """
    first, *rest = items(value, "<", implicit=True)
    return b"".join(rest) or bytes(first)


def stream_of(frame: bytes, family: Family, shape: tuple[int, int]) -> Stream:
    """Read what a frame of JPEG, JPEG-LS or JPEG 2000 says of itself.

    Raises
    ------
    NotReadable
        It is none, or an image of another size than the header's.
    """
    try:
        stream = _jpeg_2000(frame) if family is Family.JPEG_2000 else _jpeg(frame)
    except (struct.error, ValueError) as error:
        raise NotReadable(Reason.UNREADABLE, "the compressed frame has no header") from error
    if stream.shape != shape:
        raise NotReadable(Reason.UNREADABLE, "the compressed frame has another size")
    return stream


def _jpeg(frame: bytes) -> Stream:
    """Walk the marker segments up to the first scan."""
    start = position = frame.index(_START_OF_IMAGE)
    position += 2
    kind, precision, shape = 0, 0, (0, 0)
    while True:
        begin, marker, length = _SEGMENT.unpack_from(frame, position)
        if begin != _FILL:
            raise ValueError("no marker")
        if marker == _FILL:
            position += 1
            continue
        if marker in _FRAMES:
            precision, rows, columns, components = _FRAME.unpack_from(frame, position + 4)
            kind, shape = marker, (rows, columns)
            _check_frame(kind, precision, components)
        position += 2 + length
        if marker == _START_OF_SCAN:
            if kind in _SEQUENTIAL:
                frame = (
                    frame[: position - len(_WHOLE_SPECTRUM)] + _WHOLE_SPECTRUM + frame[position:]
                )
            return _stream(frame[start:], position - start, precision, shape)


def _check_frame(kind: int, precision: int, components: int) -> None:
    if components != 1:
        raise ValueError("not one component")
    if kind in (*_SEQUENTIAL, _PROGRESSIVE) and precision not in _DCT_PRECISIONS:
        raise ValueError("no precision of a DCT")


def _jpeg_2000(frame: bytes) -> Stream:
    """Read SIZ, the first segment; boxes of a JP2 file around the codestream are left out."""
    start = frame.index(_START_OF_CODESTREAM)
    right, bottom, left, top = _SIZE.unpack_from(frame, start + _SIZE_AT)
    kind = frame[start + _PRECISION_AT : start + _PRECISION_AT + 1]
    if not kind:
        raise ValueError("SIZ is cut off")
    stream = _stream(
        frame[start:], _PRECISION_AT, (kind[0] & 0x7F) + 1, (bottom - top, right - left)
    )
    return Stream(stream.body, stream.precision, stream.shape, kind[0] > 0x7F, stream.ended)  # noqa: PLR2004


def _stream(data: bytes, head: int, precision: int, shape: tuple[int, int]) -> Stream:
    """Leave out the end marker and what follows it; it is looked for behind the header."""
    end = data.rfind(END, head)
    return Stream(data if end < 0 else data[:end], precision, shape, ended=end >= 0)
