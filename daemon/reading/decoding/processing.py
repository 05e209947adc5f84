"""Raw detector values (images for processing): made what a film's processing would begin with.

Bone attenuates by a factor, so values that are linear in the X-ray intensity are read after a
logarithm (PS3.3 C.8.11.3.1.2). The relationship is one of stored values, so modality LUTs are not
used. Nor are windows: nobody views such values.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from daemon.dicom.attributes import Attributes
from daemon.reading.decoding.layout import Layout
from daemon.reading.decoding.samples import Integers
from daemon.reading.refused import NotReadable
from daemon.reasons import Reason

KEYWORDS = ("PixelIntensityRelationship", "PixelIntensityRelationshipSign")

_LATITUDE = 1000.0
"""Nothing behind a limb is darker than this part of the direct exposure: what is less is noise."""
_DIRECT_PERCENTILE = 99.5


@dataclass(frozen=True)
class Raw:
    """How raw values stand to the X-ray intensity.

    `linear` asks for the logarithm. `growing` says that a larger value is a larger intensity, so
    that bones are dark.
    """

    linear: bool
    growing: bool


def raw_of(said: Attributes, *, inverted: bool) -> Raw:
    """Read what the header says of raw values.

    Parameters
    ----------
    said : Attributes
    inverted : bool
        Whether the smallest value is white: counts where the sign of the relationship is not said.

    Raises
    ------
    NotReadable
        It does not say how they become grey values.
    """
    relationship = said.text("PixelIntensityRelationship").upper()
    if relationship not in ("LIN", "LOG", "DISP"):
        raise NotReadable(
            Reason.FOR_PROCESSING, "raw values without a known pixel intensity relationship"
        )
    sign = said.integer("PixelIntensityRelationshipSign", signed=True)
    return Raw(relationship == "LIN", growing=sign == 1 if sign in (1, -1) else inverted)


def logarithm(stored: Integers, layout: Layout, raw: Raw) -> NDArray[np.float32]:
    """Return the logarithm of the intensity, in the order of the stored values.

    Parameters
    ----------
    stored : integer array, shape (rows, columns)
    layout : Layout
    raw : Raw

    Returns
    -------
    float32 array, shape (rows, columns)
        Where intensity falls with growing values it is counted from the largest one, and turned.
    """
    intensity = stored.astype(np.float32)
    if not raw.growing:
        intensity = np.float32((1 << (layout.stored - layout.signed)) - 1) - intensity
    least = max(1.0, float(np.percentile(intensity, _DIRECT_PERCENTILE)) / _LATITUDE)
    values = np.log(np.maximum(intensity, np.float32(least)))
    return values if raw.growing else -values
