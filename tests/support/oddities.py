"""One film of 12 bits, stored in the odd ways that are met in the field.

Every one of them holds the values of the plain film, so every one must be read like it.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from pydicom import FileDataset
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests.support.encodings import encoded, frame_in, with_frame
from tests.support.objects import dx
from tests.support.said import table
from tests.support.stored import Pixels

Picture = NDArray[np.uint16]
Make = Callable[[Picture], FileDataset]

BITS, TOP = 12, 4095
END = b"\xff\xd9"
_DOSE = 60000.0
_ATTENUATION = 4.5 / TOP


def plain(picture: Picture) -> FileDataset:
    """Return the film without any oddity."""
    return dx(picture)


def _changed(**values: object) -> Make:
    def make(picture: Picture) -> FileDataset:
        film = plain(picture)
        for keyword, value in values.items():
            setattr(film, keyword, value)
        return film

    return make


def _stored(pixels: Pixels) -> Make:
    return lambda picture: dx(picture, pixels=pixels)


def _left_justified(syntax: UID) -> Make:
    def make(picture: Picture) -> FileDataset:
        return _with_bits(encoded(_wide(picture << 4), syntax), high=15)

    return make


def _overlaid(syntax: UID) -> Make:
    """Graphics in bits 12 to 14, as ACR-NEMA and old DICOM had them."""

    def make(picture: Picture) -> FileDataset:
        graphics = (np.indices(picture.shape).sum(axis=0) // 9 % 8).astype(np.uint16)
        return _with_bits(encoded(_wide(picture | graphics << BITS), syntax), high=11)

    return make


def _wide(words: Picture) -> FileDataset:
    return dx(words, pixels=Pixels(bits=16, window=(2048, 4096)))


def _with_bits(film: FileDataset, high: int) -> FileDataset:
    film.BitsStored, film.HighBit = BITS, high
    return film


def _ending(syntax: UID, behind: bytes) -> Make:
    """Put other bytes in the end marker's place."""

    def make(picture: Picture) -> FileDataset:
        film = encoded(plain(picture), syntax)
        frame = frame_in(film)
        return with_frame(film, frame[: frame.rindex(END)] + behind)

    return make


def _tabled(entries: NDArray[np.generic], bits: int) -> Make:
    return _changed(VOILUTSequence=[table(entries.tobytes(), len(entries), 0, bits)])


def _modality_table(picture: Picture) -> FileDataset:
    """Signed values, and a table that begins below zero and makes them what they were."""
    film = dx(picture, pixels=Pixels(signed=True))
    item = table(np.arange(4096).astype("<u2").tobytes(), 4096, -2048, 16, kind="SS")
    item.ModalityLUTType = "US"
    film.ModalityLUTSequence = [item]
    del film.RescaleSlope, film.RescaleIntercept, film.RescaleType
    return film


def _raw(sign: int, photometric: str) -> Make:
    """What the detector saw: linear in the intensity, 16 bits."""

    def make(picture: Picture) -> FileDataset:
        dose = np.round(_DOSE * np.exp(-_ATTENUATION * picture.astype(float)))
        stored = dose if sign == 1 else 65535 - dose
        film = dx(stored.astype(np.uint16), pixels=Pixels(bits=16))
        film.PresentationIntentType, film.PhotometricInterpretation = "FOR PROCESSING", photometric
        film.PixelIntensityRelationship, film.PixelIntensityRelationshipSign = "LIN", sign
        return film

    return make


_RAMP = np.arange(4096)
_8_BITS = _RAMP >> 4

ODDITIES: Mapping[str, Make] = MappingProxyType(
    {
        "high bit 15": _left_justified(ExplicitVRLittleEndian),
        "high bit 15, big endian": _left_justified(ExplicitVRBigEndian),
        "high bit 15, JPEG-LS": _left_justified(JPEGLSLossless),
        "high bit 15, JPEG 2000": _left_justified(JPEG2000Lossless),
        "overlays": _overlaid(ExplicitVRLittleEndian),
        "overlays, RLE": _overlaid(RLELossless),
        "overlays, JPEG lossless": _overlaid(JPEGLosslessSV1),
        "overlays, JPEG-LS": _overlaid(JPEGLSLossless),
        "overlays, JPEG 2000": _overlaid(JPEG2000Lossless),
        "zeros behind the end, JPEG lossless": _ending(JPEGLosslessSV1, END + bytes(200)),
        "zeros behind the end, JPEG-LS": _ending(JPEGLSLossless, END + bytes(70000)),
        "zeros behind the end, JPEG 2000": _ending(JPEG2000Lossless, END + bytes(200)),
        "no end, JPEG lossless": _ending(JPEGLosslessSV1, b""),
        "no end, JPEG-LS": _ending(JPEGLSLossless, b""),
        "no end, JPEG 2000": _ending(JPEG2000Lossless, b""),
        "signed": _stored(Pixels(signed=True)),
        "MONOCHROME1": _stored(Pixels(photometric="MONOCHROME1")),
        "negative slope": _stored(Pixels(slope=-1.0, intercept=4095.0)),
        "modality table, signed": _modality_table,
        "no high bit": _changed(HighBit=None),
        "empty window function": _changed(VOILUTFunction=""),
        "unknown window function": _changed(VOILUTFunction="CUBIC"),
        "window of no width": _changed(WindowWidth="0"),
        "window of 8 bits": _changed(WindowCenter="127", WindowWidth="255"),
        "window of one value": _changed(WindowCenter="2048", WindowWidth="1"),
        "several windows, the first without width": _changed(
            WindowCenter=["0", "2048"], WindowWidth=["0", "4096"]
        ),
        "VOI table of 16 bits": _tabled((_RAMP * 16).astype("<u2"), 16),
        "VOI table of 8 bits in words": _tabled(_8_BITS.astype("<u2"), 8),
        "VOI table of 8 bits packed": _tabled(_8_BITS.astype("u1"), 8),
        "VOI table of other values": _tabled(np.arange(256).astype("<u2"), 8),
        "for processing": _raw(1, "MONOCHROME1"),
        "for processing, falling": _raw(-1, "MONOCHROME2"),
        "spacing of one value": _changed(PixelSpacing=["0.144"]),
    }
)
