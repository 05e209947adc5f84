"""Samples -> stored values: which bits of a cell count, and their sign (PS3.5 8.1.1, annex D)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from daemon.reading.decoding.layout import Layout
from daemon.reading.decoding.refusal import NotReadable
from daemon.reasons import Reason

Integers = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class Samples:
    """What a decoder gives: cells of which the lowest `precision` bits are coded.

    `signed` says that the stream itself has negative samples (JPEG 2000): these are right as they
    are.
    """

    values: Integers
    precision: int
    signed: bool = False


def native_samples(value: memoryview, layout: Layout, order: str, *, swapped: bool) -> Samples:
    """Read uncompressed pixel data (PS3.5 8.1, annex A).

    Parameters
    ----------
    value : memoryview
        The value of PixelData; what follows the picture is padding.
    layout : Layout
    order : "<" or ">"
    swapped : bool
        Bytes lie in words of big endian order (8 bits a sample in a VR OW).

    Raises
    ------
    NotReadable
        The value is too short.
    """
    size, cell = layout.rows * layout.columns, layout.allocated // 8
    if len(value) < size * cell:
        raise NotReadable(Reason.UNREADABLE, "the pixel data are too short")
    if swapped and cell == 1:
        words = np.frombuffer(value, ">u2", count=len(value) // 2)
        values: Integers = words.astype("<u2").view(np.uint8)[:size]
    else:
        values = np.frombuffer(value, f"{order}u{cell}", count=size)
    if len(values) < size:
        raise NotReadable(Reason.UNREADABLE, "the pixel data are too short")
    return Samples(values.reshape(layout.shape), layout.allocated)


def stored_values(samples: Samples, layout: Layout, *, lossy: bool) -> Integers:
    """Take the bits that BitsStored and HighBit name, and give them their sign.

    What is coded beside them is overlays or undefined, and is left out; but a lossy decoder
    overshoots, and what is too large then is the largest value.

    Parameters
    ----------
    samples : Samples
        A stream of no more bits than BitsStored holds the stored values themselves.
    layout : Layout
    lossy : bool

    Returns
    -------
    integer array, shape (rows, columns)
    """
    precision = samples.precision
    shift = layout.high + 1 - layout.stored if precision > layout.high else 0
    values = np.right_shift(samples.values, shift) if shift else samples.values
    if samples.signed:
        return values
    width = min(precision, layout.stored)
    if width < precision - shift:
        most = (1 << width) - 1
        values = np.minimum(values, most) if lossy else np.bitwise_and(values, most)
    if not layout.signed:
        return values
    sign = 1 << (width - 1)
    wide: Integers = values.astype(np.int32 if width < 32 else np.int64)  # noqa: PLR2004 - bits
    return np.bitwise_xor(wide, sign) - sign
