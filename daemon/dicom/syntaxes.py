"""The transfer syntaxes that are taken for reading, and what decodes each: the one table of them.

Its order is our wish, because negotiation takes the first of ours that the sender offers: plain
ones, then lossless ones, and lossy ones only where nothing else is offered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)


class Family(StrEnum):
    """How pixel data are written."""

    NATIVE = "native"
    RLE = "RLE"
    JPEG = "JPEG"
    JPEG_LS = "JPEG-LS"
    JPEG_2000 = "JPEG 2000"


class Decoder(StrEnum):
    """What decodes a compressed frame."""

    OURS = "ours"
    """PackBits is written out here: libraries take a segment that ends too early for whole."""
    GDCM = "GDCM"
    CHARLS = "CharLS"
    OPENJPEG = "OpenJPEG"
    PILLOW = "Pillow"


@dataclass(frozen=True)
class Coding:
    """How a transfer syntax writes pixels; `decoders` are tried in their order."""

    family: Family
    decoders: tuple[Decoder, ...] = ()
    lossy: bool = False


_NATIVE = Coding(Family.NATIVE)
_LOSSLESS = Coding(Family.JPEG, (Decoder.GDCM,))
_LOSSY = Coding(Family.JPEG, (Decoder.GDCM, Decoder.PILLOW), lossy=True)
_LS, _2000 = (Decoder.CHARLS, Decoder.GDCM), (Decoder.OPENJPEG, Decoder.GDCM)

CODINGS: Mapping[UID, Coding] = MappingProxyType(
    {
        ExplicitVRLittleEndian: _NATIVE,
        ImplicitVRLittleEndian: _NATIVE,
        JPEGLosslessSV1: _LOSSLESS,
        JPEGLossless: _LOSSLESS,
        JPEGLSLossless: Coding(Family.JPEG_LS, _LS),
        JPEG2000Lossless: Coding(Family.JPEG_2000, _2000),
        RLELossless: Coding(Family.RLE, (Decoder.OURS, Decoder.GDCM)),
        DeflatedExplicitVRLittleEndian: _NATIVE,
        ExplicitVRBigEndian: _NATIVE,
        JPEGLSNearLossless: Coding(Family.JPEG_LS, _LS, lossy=True),
        JPEG2000: Coding(Family.JPEG_2000, _2000, lossy=True),
        JPEGExtended12Bit: _LOSSY,
        JPEGBaseline8Bit: _LOSSY,
    }
)
"""Pillow reads 8 bits only: JPEG Lossless and 12-bit JPEG have one decoder of a free licence."""
