"""RLE Lossless (PS3.5 annex G).

Written out because libraries do not tell a segment that ends too early from one of another make:
GDCM takes one that lacks a few bytes, and fills it with zeros.
"""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from daemon.reading.decoding.refusal import NotReadable
from daemon.reasons import Reason

_HEADER = struct.Struct("<16L")
"""Number of segments, then where each begins."""
_NOTHING = 128


def unpacked(frame: bytes, shape: tuple[int, int], allocated: int) -> NDArray[np.integer[Any]]:
    """Decode a frame: one segment for each byte of a sample, the most significant one first.

    Parameters
    ----------
    frame : bytes
    shape : (rows, columns)
    allocated : int
        Bits of a sample: 8, 16 or 32.

    Raises
    ------
    NotReadable
        A segment ends before the picture does.
    ValueError, struct.error
        The header names other segments.
    """
    number, *starts = _HEADER.unpack_from(frame)
    if number != allocated // 8:
        raise ValueError("another number of segments")
    size = shape[0] * shape[1]
    ends = [*starts[1:number], len(frame)]
    planes = [
        np.frombuffer(_segment(frame[start:end], size), np.uint8)
        for start, end in zip(starts[:number], ends, strict=True)
    ]
    samples: NDArray[np.integer[Any]] = np.stack(planes, axis=-1).view(f">u{number}")
    return samples.reshape(shape)


def _segment(data: bytes, size: int) -> bytearray:
    """Decode PackBits (PS3.5 G.3.2); what is coded beyond the picture is padding."""
    found, position = bytearray(), 0
    while len(found) < size and position + 1 < len(data):
        head = data[position]
        if head < _NOTHING:
            found += data[position + 1 : position + 2 + head]
            position += 2 + head
        elif head > _NOTHING:
            found += data[position + 1 : position + 2] * (257 - head)
            position += 2
        else:
            position += 1
    if len(found) < size:
        raise NotReadable(Reason.UNREADABLE, "an RLE segment is cut off")
    return found[:size]
