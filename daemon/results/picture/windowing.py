"""A radiograph as a grey picture: bones bright, windowed like the network's input."""

import numpy as np
from numpy.typing import NDArray

from model.pixels import PixelProfile, Radiograph, bright_values

_LOW: float = PixelProfile.model_fields["low_percentile"].default
_HIGH: float = PixelProfile.model_fields["high_percentile"].default
_SAMPLE = 250_000
"""Pixels that are enough for the percentiles of a large image."""

_BLOCK = 64
"""Rows that are windowed at a time: few enough to stay in the processor's cache."""


def grey_picture(radiograph: Radiograph) -> NDArray[np.uint8]:
    """Window a radiograph between the percentiles of the pixel contract.

    Returns
    -------
    uint8 array, shape (rows, columns), larger is brighter
    """
    values, sign = radiograph.values, np.float32(-1.0 if radiograph.inverted else 1.0)
    if radiograph.padding is not None:
        values, sign = bright_values(radiograph), np.float32(1.0)
    step = max(1, int((values.size / _SAMPLE) ** 0.5))
    low, high = np.percentile(values[::step, ::step] * sign, [_LOW, _HIGH])
    if high <= low:  # without contrast
        return np.where(values * sign > low, np.uint8(255), np.uint8(0))
    darkest, gain = sign * np.float32(low), sign * np.float32(255.0 / (high - low))
    grey = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), _BLOCK):
        scaled = values[top : top + _BLOCK] - darkest
        scaled *= gain
        np.clip(scaled, 0.0, 255.0, out=scaled)
        np.rint(scaled, out=scaled)
        grey[top : top + _BLOCK] = scaled
    return grey
