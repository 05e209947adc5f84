"""What the header says of the pixel data, checked before a decoder sees them (PS3.3 C.7.6.3)."""

from dataclasses import dataclass

from daemon.dicom.attributes import Attributes
from daemon.dicom.header import Header
from daemon.reading.refused import NotReadable
from daemon.reasons import Reason

KEYWORDS = (
    "SamplesPerPixel", "NumberOfFrames", "PhotometricInterpretation", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "PixelData",
)  # fmt: skip

SHORTEST_SIDE = 32
"""Pixels. The network sees 7 x 7 cells: fewer than this hold no bone that could be judged."""
NARROWEST = 20
"""Longer side over shorter. Films of a whole leg or spine have 6 at most."""
_ALLOCATED = (8, 16, 32)


@dataclass(frozen=True)
class Layout:
    """How one grey sample lies in its cell.

    `stored` bits end at bit `high` of `allocated` ones. `signed` is PixelRepresentation.
    `monochrome1` says that the smallest value is white. `corrected` says that BitsStored or HighBit
    cannot be true.
    """

    rows: int
    columns: int
    allocated: int
    stored: int
    high: int
    signed: bool
    monochrome1: bool
    corrected: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.columns


def layout_of(said: Attributes, header: Header, max_pixels: int) -> Layout:
    """Check that the object is one grey image of a sane size.

    Raises
    ------
    NotReadable
        It is none.
    """
    _check_kind(said)
    _check_size(header, max_pixels)
    if "PixelData" not in said:
        raise NotReadable(Reason.UNREADABLE, "there is no pixel data, or it is cut off")
    allocated = said.integer("BitsAllocated")
    if allocated not in _ALLOCATED:
        raise NotReadable(Reason.UNREADABLE, "BitsAllocated is neither 8, 16 nor 32")
    stored, high = _bits(said, allocated)
    return Layout(
        rows=header.rows,
        columns=header.columns,
        allocated=allocated,
        stored=stored,
        high=high,
        signed=said.integer("PixelRepresentation") == 1,
        monochrome1=_photometric(said) == "MONOCHROME1",
        corrected=(stored, high) != (said.integer("BitsStored"), said.integer("HighBit")),
    )


def _check_kind(said: Attributes) -> None:
    if "Rows" not in said and "SOPClassUID" in said and "PixelData" not in said:
        raise NotReadable(Reason.NOT_A_RADIOGRAPH, "the object has no image")
    if said.integer("SamplesPerPixel") not in (None, 1):
        raise NotReadable(Reason.NOT_A_RADIOGRAPH, "more than one sample a pixel")
    if said.integer("NumberOfFrames") not in (None, 1):
        raise NotReadable(Reason.NOT_A_RADIOGRAPH, "more than one frame")
    if _photometric(said) not in ("MONOCHROME1", "MONOCHROME2"):  # a palette's are no grey values
        raise NotReadable(Reason.NOT_A_RADIOGRAPH, "photometric interpretation is not monochrome")


def _check_size(header: Header, max_pixels: int) -> None:
    short, long = sorted((header.rows, header.columns))
    if short < 1:
        raise NotReadable(Reason.UNREADABLE, "Rows or Columns is no number of pixels")
    if short * long > max_pixels:
        raise NotReadable(Reason.TOO_LARGE, "more pixels than the settings allow")
    if short < SHORTEST_SIDE or long > NARROWEST * short:
        raise NotReadable(Reason.TOO_SMALL, "too few pixels, or too narrow")


def _photometric(said: Attributes) -> str:
    return said.text("PhotometricInterpretation").upper()


def _bits(said: Attributes, allocated: int) -> tuple[int, int]:
    """Return BitsStored and HighBit; where they cannot be true, the lowest bits of all."""
    stored, high = said.integer("BitsStored"), said.integer("HighBit")
    if stored is None or not 1 <= stored <= allocated:
        stored = allocated
    if high is None or not stored - 1 <= high < allocated:
        high = stored - 1
    return stored, high
