"""Pixels that carry no signal (PS3.3 C.7.5.1.1.2)."""

import numpy as np
from numpy.typing import NDArray

from daemon.dicom.attributes import Attributes
from daemon.reading.decoding.layout import Layout
from daemon.reading.decoding.samples import Integers

KEYWORDS = ("PixelPaddingValue", "PixelPaddingRangeLimit")

LEAST_SHARE = 0.01
"""Less of a picture than this shows nothing: a padding value that leaves less was meant otherwise.
The smallest field that a film is collimated to, a finger's, is some 4 % of it."""


def padding_of(stored: Integers, said: Attributes, layout: Layout) -> NDArray[np.bool_] | None:
    """Mark the padding pixels; both limits of a range count as padding.

    Parameters
    ----------
    stored : integer array, shape (rows, columns)
        Stored values, which is what the attributes speak of.
    said : Attributes
    layout : Layout

    Returns
    -------
    bool array, shape (rows, columns), or None
        None where nothing is padding, or nearly everything would be.
    """
    value = said.integer("PixelPaddingValue", signed=layout.signed)
    if value is None:
        return None
    limit = said.integer("PixelPaddingRangeLimit", signed=layout.signed)
    low, high = sorted((value, value if limit is None else limit))
    mask: NDArray[np.bool_] = (stored >= low) & (stored <= high)
    padded = np.count_nonzero(mask)
    if not padded or mask.size - padded < LEAST_SHARE * mask.size:
        return None
    return mask
