"""How a picture is stored: photometric, bits, sign, modality LUT, VOI LUT and padding."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset


@dataclass(frozen=True)
class Pixels:
    """How the same picture is stored.

    Values of a picture with `bits` stored bits lie in [0, 2**bits - 1]. `slope` and `intercept`
    make it values before the modality LUT; `window` (centre, width) and `voi_lut` are in values
    after it; `padding` marks the border pixels (`padding_border` of each side) with that stored
    value.
    """

    photometric: Literal["MONOCHROME1", "MONOCHROME2"] = "MONOCHROME2"
    bits: int = 12
    signed: bool = False
    slope: float = 1.0
    intercept: float = 0.0
    window: tuple[float, float] | None = None
    voi_lut: bool = False
    padding: int | None = None
    padding_border: float = 0.05
    extra: dict[str, Any] = field(default_factory=dict)
    """Further attributes, by keyword; they win over all others."""


PLAIN = Pixels()


def store(dataset: Dataset, picture: NDArray[np.uint16], pixels: Pixels) -> None:
    """Image pixel module (PS3.3 C.7.6.3): from the picture back to what a detector would store."""
    top = 2**pixels.bits - 1
    values = picture.astype(np.int64)
    if pixels.photometric == "MONOCHROME1":
        values = top - values
    stored = np.round((values - intercept(pixels)) / pixels.slope).astype(np.int64)
    if pixels.padding is not None:
        edge = max(1, round(min(stored.shape) * pixels.padding_border))
        inner = np.zeros(stored.shape, bool)
        inner[edge:-edge, edge:-edge] = True
        stored = np.where(inner, stored, pixels.padding)
        dataset.PixelPaddingValue = pixels.padding
        kind = "SS" if pixels.signed else "US"
        dataset["PixelPaddingValue"].VR = kind
    allocated = 8 if pixels.bits <= 8 else 16
    kind = f"<{'i' if pixels.signed else 'u'}{allocated // 8}"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = pixels.photometric
    dataset.Rows, dataset.Columns = picture.shape
    dataset.BitsAllocated, dataset.BitsStored = allocated, pixels.bits
    dataset.HighBit = pixels.bits - 1
    dataset.PixelRepresentation = int(pixels.signed)
    data = stored.astype(kind).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW"


def window(dataset: Dataset, pixels: Pixels) -> None:
    """Modality LUT, VOI LUT and presentation LUT shape (PS3.3 C.8.11.3)."""
    dataset.RescaleSlope, dataset.RescaleIntercept = pixels.slope, intercept(pixels)
    if dataset.Modality == "DX":
        bright = pixels.photometric == "MONOCHROME2"
        dataset.PixelIntensityRelationshipSign = 1 if not bright else -1
        dataset.PresentationLUTShape = "IDENTITY" if bright else "INVERSE"
    if pixels.voi_lut:
        dataset.VOILUTSequence = [_identity_lut(pixels)]
        return
    centre, width = pixels.window or (2 ** (pixels.bits - 1), 2**pixels.bits)
    dataset.WindowCenter, dataset.WindowWidth = centre, width
    dataset.WindowCenterWidthExplanation = "NORMAL"


def _identity_lut(pixels: Pixels) -> Dataset:
    entries = 2**pixels.bits
    table = Dataset()
    table.LUTDescriptor = [entries if entries < 2**16 else 0, 0, 16]
    table["LUTDescriptor"].VR = "US"
    table.LUTExplanation = "NORMAL"
    ramp = np.linspace(0, 2**16 - 1, entries).round().astype("<u2")
    table.LUTData = ramp.tobytes()
    table["LUTData"].VR = "OW"
    return table


def intercept(pixels: Pixels) -> float:
    """A signed store is shifted by half the range, so that nothing of the picture is lost."""
    return pixels.intercept + (2 ** (pixels.bits - 1) * pixels.slope if pixels.signed else 0)
