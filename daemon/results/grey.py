"""A radiograph as a grey picture: bones bright, windowed like the network's input."""

import numpy as np
from numpy.typing import NDArray

from model.pixels import PixelProfile, Radiograph, bright_values

_LOW: float = PixelProfile.model_fields["low_percentile"].default
_SAMPLE = 1_000_000
"""Pixels that are enough for the percentiles of a large image."""

_HIGH: float = PixelProfile.model_fields["high_percentile"].default


def grey_picture(radiograph: Radiograph) -> NDArray[np.uint8]:
    """Window a radiograph between the percentiles of the pixel contract.

    Returns
    -------
    uint8 array, shape (rows, columns), larger is brighter
    """
    values = bright_values(radiograph)
    step = max(1, int((values.size / _SAMPLE) ** 0.5))
    low, high = np.percentile(values[::step, ::step], [_LOW, _HIGH])
    if high <= low:  # without contrast
        return np.where(values > low, np.uint8(255), np.uint8(0))
    scaled = np.subtract(values, np.float32(low))
    scaled *= np.float32(255.0 / (high - low))
    np.clip(scaled, 0.0, 255.0, out=scaled)
    np.rint(scaled, out=scaled)
    grey: NDArray[np.uint8] = scaled.astype(np.uint8)
    return grey


def as_rgb(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat a grey picture in three channels: (rows, columns) -> (rows, columns, 3)."""
    return np.repeat(grey[:, :, None], 3, axis=2)
