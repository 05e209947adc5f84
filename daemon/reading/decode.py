"""A stored object -> a radiograph, or the reason why it cannot be read.

The grey path follows PS3.4 N.2: stored values -> modality LUT -> VOI LUT -> (inversion is left to
the pixel contract, `model.pixels`). For each transfer syntax exactly one decoder is used: others
were seen to return half an image from a truncated stream without an error.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    JPEG2000,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from daemon.errors import Rejected
from daemon.records import Reason
from model.pixels import Radiograph

DECODERS: dict[str, str] = {
    JPEGBaseline8Bit: "gdcm",
    JPEGExtended12Bit: "pylibjpeg",
    JPEGLossless: "gdcm",
    JPEGLosslessSV1: "gdcm",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000Lossless: "gdcm",
    JPEG2000: "gdcm",
    RLELossless: "pydicom",
}
"""The one plug-in for each compressed syntax; native ones are read by pydicom itself."""

_END_OF_IMAGE = b"\xff\xd9"
_TAIL_BYTES = 64
_JPEG_FAMILY = set(DECODERS) - {RLELossless}
_VOI_KEYWORDS = (
    "VOILUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "PhotometricInterpretation",
    "BitsStored",
    "BitsAllocated",
    "PixelRepresentation",
)
_VIEWS: dict[str, Literal["PA", "LAT", "OBL"]] = {
    "PA": "PA",
    "AP": "PA",
    "LL": "LAT",
    "RL": "LAT",
    "LAT": "LAT",
    "LATERAL": "LAT",
    "LLO": "OBL",
    "RLO": "OBL",
    "RAO": "OBL",
    "LAO": "OBL",
    "LPO": "OBL",
    "RPO": "OBL",
    "OBL": "OBL",
    "OBLIQUE": "OBL",
}
_FAILURES = (
    ArithmeticError,
    AttributeError,
    InvalidDicomError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)
"""What pydicom and its plug-ins raise for damaged objects."""


class NotReadable(Rejected):
    """The object holds no radiograph that can be read; `reason` is what the reader is told."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, eq=False)
class Decoded:
    """A header without pixel data, and the radiograph it describes."""

    header: Dataset
    radiograph: Radiograph


def read_header(file: Path) -> Dataset:
    """Read everything before the pixel data.

    Raises
    ------
    NotReadable
        The file is no DICOM object.
    """
    try:
        return dcmread(file, stop_before_pixels=True)
    except _FAILURES as error:
        raise NotReadable(Reason.UNREADABLE, f"header: {type(error).__name__}") from error


def decode(file: Path, max_pixels: int) -> Decoded:
    """Read a stored object whole.

    Parameters
    ----------
    file : Path
    max_pixels : int
        Images with more rows times columns are not decoded.

    Raises
    ------
    NotReadable
        With the reason; every exception of the decoders ends as this one.
    """
    try:
        dataset = dcmread(file)
        _check_before_decoding(dataset, max_pixels)
        stored = _stored_values(dataset)
        values = _presentation_values(stored, dataset)
        radiograph = Radiograph(
            values=values,
            inverted=_is_inverted(dataset),
            spacing_mm=_spacing_mm(dataset),
            aspect=_aspect(dataset),
            padding=_padding(stored, dataset),
            laterality=_laterality(dataset),
            view=_VIEWS.get(str(dataset.get("ViewPosition") or "").upper()),
        )
        del dataset.PixelData
    except _FAILURES as error:
        raise NotReadable(Reason.UNREADABLE, f"decoding: {type(error).__name__}") from error
    return Decoded(dataset, radiograph)


def _check_before_decoding(dataset: Dataset, max_pixels: int) -> None:
    """Refuse what cannot be one grey image of a sane size, before a decoder sees it."""
    if "PixelData" not in dataset:
        other = "SOPClassUID" in dataset and "Rows" not in dataset
        reason = Reason.NOT_A_RADIOGRAPH if other else Reason.UNREADABLE
        raise NotReadable(reason, "there is no pixel data, or it is cut off")
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if rows * columns > max_pixels:
        raise NotReadable(Reason.TOO_LARGE, f"{rows} x {columns} pixels")
    if rows < 1 or columns < 1:
        raise NotReadable(Reason.UNREADABLE, f"{rows} x {columns} pixels")
    if int(dataset.SamplesPerPixel) != 1 or int(dataset.get("NumberOfFrames") or 1) != 1:
        raise NotReadable(Reason.NOT_A_RADIOGRAPH, "not one frame of one grey sample per pixel")
    photometric = str(dataset.get("PhotometricInterpretation") or "MONOCHROME")
    if not photometric.startswith("MONOCHROME"):  # numbers of a palette are no grey values
        raise NotReadable(Reason.NOT_A_RADIOGRAPH, f"photometric interpretation {photometric}")
    if int(dataset.BitsAllocated) not in (8, 16):
        raise NotReadable(Reason.UNREADABLE, f"BitsAllocated is {dataset.BitsAllocated}")
    _check_stream(dataset, rows * columns * int(dataset.BitsAllocated) // 8)


def _check_stream(dataset: Dataset, native_bytes: int) -> None:
    """Refuse pixel data that is shorter than its header says, or ends in the middle."""
    syntax = dataset.file_meta.TransferSyntaxUID
    data: bytes = dataset.PixelData
    if not syntax.is_encapsulated:
        if len(data) < native_bytes:
            raise NotReadable(Reason.UNREADABLE, f"{len(data)} of {native_bytes} pixel bytes")
    elif syntax in _JPEG_FAMILY and _END_OF_IMAGE not in data[-_TAIL_BYTES:]:
        raise NotReadable(Reason.UNREADABLE, "the compressed stream has no end of image")


def _stored_values(dataset: Dataset) -> NDArray[np.generic]:
    syntax = dataset.file_meta.TransferSyntaxUID
    decoder = get_decoder(syntax)
    plugin = DECODERS.get(syntax, "")
    stored, properties = decoder.as_array(dataset, decoding_plugin=plugin)
    expected = (int(dataset.Rows), int(dataset.Columns))
    if stored.shape != expected or properties["rows"] != expected[0]:
        raise NotReadable(Reason.UNREADABLE, f"decoded {stored.shape}, header says {expected}")
    return stored


def _presentation_values(stored: NDArray[np.generic], dataset: Dataset) -> NDArray[np.float32]:
    """Modality LUT, then VOI LUT (PS3.3 C.11.1, C.11.2); a window of no width is left out."""
    modality = apply_modality_lut(stored, dataset)
    widths = dataset.get("WindowWidth")
    first = widths[0] if isinstance(widths, (list, tuple)) or hasattr(widths, "append") else widths
    usable = dataset.get("VOILUTSequence") or (first is not None and float(first) >= 1)
    # pydicom stretches a window over the *rescaled* range of stored values, which turns the picture
    # over when the slope is negative: it must not see the slope. We need the order of values only.
    view = Dataset()
    view.file_meta = dataset.file_meta
    for keyword in _VOI_KEYWORDS:
        if keyword in dataset:
            view[keyword] = dataset[keyword]
    viewed = apply_voi_lut(modality, view) if usable else modality
    return np.ascontiguousarray(viewed, dtype=np.float32)


def _is_inverted(dataset: Dataset) -> bool:
    """MONOCHROME1 and PresentationLUTShape INVERSE say the same thing (PS3.3 C.8.11.3)."""
    return bool(
        dataset.get("PhotometricInterpretation") == "MONOCHROME1"
        or dataset.get("PresentationLUTShape") == "INVERSE"
    )


def _spacing_mm(dataset: Dataset) -> tuple[float, float] | None:
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        value = dataset.get(keyword)
        if value and all(float(part) > 0 for part in value):
            return float(value[0]), float(value[1])
    return None


def _aspect(dataset: Dataset) -> float:
    value = dataset.get("PixelAspectRatio")
    if not value or any(float(part) <= 0 for part in value):
        return 1.0
    return float(value[0]) / float(value[1])


def _padding(stored: NDArray[np.generic], dataset: Dataset) -> NDArray[np.bool_] | None:
    """Mark padding pixels (PS3.3 C.7.5.1.1.2); both limits count as padding."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return None
    limit = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((int(value), int(value if limit is None else limit)))
    return np.asarray((stored >= low) & (stored <= high))  # type: ignore[operator]


def _laterality(dataset: Dataset) -> Literal["L", "R"] | None:
    value = dataset.get("ImageLaterality") or dataset.get("Laterality")
    return value if value in ("L", "R") else None
