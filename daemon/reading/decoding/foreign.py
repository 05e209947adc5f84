"""Windows and tables that were made for other values.

A device or an archive may leave the window of a display of 8 bits in an image of 12: read through
it, most of a film is white. An honest window clips, too: collimated borders, and the direct
exposure beside the limb, which may be most of the pixels. What tells them apart is what is lost: a
border or an exposed background is nearly one grey before and after, anatomy has many greys.

Share of information kept, on 412 real films (limbs, wrists, chests), least to greatest:

=====================================  ============  ==========
window                                 all films     12 wrists
=====================================  ============  ==========
honest, 5 to 95 % of the pixels        0.86 to 1.00  0.96, 0.97
honest, the brighter half only         0.50 to 1.00  0.59, 0.68
127/255 on 12 bits                     0.00 to 0.68  0.02, 0.29
127/255 on 12 bits, MONOCHROME1        0.00 to 0.10  0.00, 0.01
2048/4096 on 14 bits                   0.07 to 0.94  0.23, 0.67
2048/2 on 12 bits                      0.01 to 0.21  0.03, 0.20
=====================================  ============  ==========

So less than 0.4 is foreign whatever the window or table. One of the full range of 8 to 15 bits was
made for such values, and may lose next to nothing.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_Curve = Callable[[NDArray[np.float32]], NDArray[np.float32]]

_BINS = 64
_PERCENTILES = (0.5, 99.5)
_FLAT = 1e-3
"""Part of the range of greys within which a curve is level."""
LEAST_KEPT, LEAST_KEPT_OF_DEPTH = 0.4, 0.9
_DEPTHS = range(8, 16)
_TOLERANCE = 2.0
"""Values by which such a window is written differently: 127/255, 128/256, 127.5/255."""


def kept_share(curve: _Curve, values: NDArray[np.float32]) -> float:
    """Return what share of a picture's information is left when it is viewed.

    Information is the entropy of its histogram between two percentiles. Bins between which the
    curve is level become one.

    Parameters
    ----------
    curve : function of a float32 array to one of the same shape
    values : float32 array, shape (n,)

    Returns
    -------
    float
        About 0 to 1; 1 where there is nothing to lose.
    """
    low, high = np.percentile(values, _PERCENTILES)
    if not high > low:
        return 1.0
    counts, edges = np.histogram(values, _BINS, (low, high))
    before = _entropy(counts)
    if before == 0.0:
        return 1.0
    shown = curve(edges.astype(np.float32))
    steps = np.abs(np.diff(shown)) > _FLAT * (shown.max() - shown.min())
    begins = np.concatenate(([True], steps[1:] | steps[:-1]))
    merged = np.add.reduceat(counts, np.flatnonzero(begins))
    return _entropy(merged) / before


def is_foreign(curve: _Curve, values: NDArray[np.float32], limits: tuple[float, float]) -> bool:
    """Tell whether a window or a table was made for other values than these.

    Parameters
    ----------
    curve, values
        As for `kept_share`.
    limits : (float, float)
        The ends of the window or the table.
    """
    kept = kept_share(curve, values)
    return kept < LEAST_KEPT or (_is_a_depth(limits) and kept < LEAST_KEPT_OF_DEPTH)


def _is_a_depth(limits: tuple[float, float]) -> bool:
    """Tell whether these are the ends of the full range of so many bits."""
    if abs(limits[0]) > _TOLERANCE:
        return False
    return any(abs(limits[1] + 1 - 2**bits) <= _TOLERANCE for bits in _DEPTHS)


def _entropy(counts: NDArray[np.integer]) -> float:
    """Return bits."""
    shares = counts[counts > 0] / max(1, counts.sum())
    return float(-(shares * np.log2(shares)).sum())
