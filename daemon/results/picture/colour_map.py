"""The colours of evidence: even steps in lightness, readable with colour-deficient vision.

Anchor colours of the viridis map (S. van der Walt and N. Smith, 2015; public domain, CC0), with
straight lines between them in RGB.
"""

import numpy as np
from numpy.typing import NDArray

_ANCHORS = np.array(
    [
        (68, 1, 84),
        (71, 44, 122),
        (59, 81, 139),
        (44, 113, 142),
        (33, 144, 141),
        (39, 173, 129),
        (92, 200, 99),
        (170, 220, 50),
        (253, 231, 37),
    ],
    dtype=np.float32,
)
_PLACES = np.linspace(0.0, 1.0, len(_ANCHORS))
_STEPS = 256


def _table() -> NDArray[np.float32]:
    at = np.linspace(0.0, 1.0, _STEPS)
    channels = [np.interp(at, _PLACES, _ANCHORS[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=1).astype(np.float32)


TABLE = _table()
"""float32 (256, 3), in [0, 255]."""


def colours(unit: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the colour of each value in [0, 1]: float32 (..., 3), in [0, 255]."""
    index = np.clip(np.rint(unit * (_STEPS - 1)), 0, _STEPS - 1).astype(np.intp)
    found: NDArray[np.float32] = TABLE[index]
    return found
