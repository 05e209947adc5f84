"""Stored values -> modality values (PS3.3 C.11.1)."""

import numpy as np
from numpy.typing import NDArray

from daemon.dicom.attributes import Attributes
from daemon.dicom.grey import Rescale, Table
from daemon.reading.decoding.lookup_tables import looked_up, table_of
from daemon.reading.decoding.samples import Integers

KEYWORDS = ("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "RescaleType")

_LINEAR = ("RescaleSlope", "RescaleIntercept")
_LEAST_SLOPE, _MOST_SLOPE = 1e-12, 1e12
_FARTHEST = float(1 << 22)
"""Steps of the slope that the intercept may shift: float32 keeps values apart up to there."""

Modality = Rescale | Table


def modality_of(said: Attributes, *, signed: bool) -> Modality | None:
    """Return the modality LUT of an image; None where there is none, or none that can be meant.

    Parameters
    ----------
    said : Attributes
    signed : bool
        Whether stored values may be negative.
    """
    for item in said.items("ModalityLUTSequence")[:1]:
        table = table_of(item, signed=signed, kind=item.text("ModalityLUTType"))
        if table is not None:
            return table
    slope, intercept = said.number("RescaleSlope"), said.number("RescaleIntercept")
    if (slope is None and intercept is None) or said.unreadable & set(_LINEAR):
        return None
    slope = 1.0 if slope is None else slope
    rescale = Rescale(slope, intercept or 0.0, said.text("RescaleType") or "US")
    if not _LEAST_SLOPE <= abs(slope) <= _MOST_SLOPE:
        return None
    return rescale if abs(rescale.intercept) <= _FARTHEST * abs(slope) else None


def is_left_out(said: Attributes, chosen: Modality | None) -> bool:
    """Tell whether an image has a modality LUT that was not chosen, because it cannot be meant."""
    if said.items("ModalityLUTSequence"):
        return not isinstance(chosen, Table)
    return chosen is None and any(
        said.numbers(keyword) or keyword in said.unreadable for keyword in _LINEAR
    )


def modality_values(stored: Integers, modality: Modality | None) -> NDArray[np.float32]:
    """Apply it: integer array, shape (rows, columns) -> float32 array of the same shape."""
    if modality is None:
        return stored.astype(np.float32)
    if isinstance(modality, Table):
        return looked_up(stored, modality)
    values = stored.astype(np.float32)
    values *= np.float32(modality.slope)
    values += np.float32(modality.intercept)
    return values
