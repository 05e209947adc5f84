"""A square cut out of a radiograph at any place, size and angle, and the way back.

Coordinates are those of `model.pixels.Placement`: (x, y), continuous, (0, 0) at the outer corner of
the first pixel, so the centre of pixel (column, row) lies at (column + 0.5, row + 0.5). Angles and
lengths are those of the patient: pixels that are not square are taken as what they cover.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.pixels import PixelProfile, Radiograph, bright_values, windowed

Point = tuple[float, float]

_MOST_SAMPLES = 4096
"""Samples along one side of a crop before they are averaged: bounds memory."""
_COUNTED = 64
"""Points along each side by which the share on the image is counted."""


@dataclass(frozen=True)
class CropPlacement:
    """Where a crop lies in its source: ``source = origin + x * across + y * down``.

    Attributes
    ----------
    origin : (float, float)
        Source (x, y) of the crop's top left outer corner.
    across, down : (float, float)
        Steps in the source for one pixel of the network input to the right, and downwards.
    rows, columns : int
        Of the source.
    """

    origin: Point
    across: Point
    down: Point
    rows: int
    columns: int

    def to_source(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (x, y) points of the input, shape (n, 2), to source pixels, clipped to the image."""
        limit = [float(self.columns), float(self.rows)]
        return np.clip(self.unclipped(points), 0.0, limit)

    def unclipped(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (x, y) points of the input, shape (n, 2), to source pixels, also beyond the image."""
        mapped: NDArray[np.float64] = np.asarray(points) @ self._steps + np.asarray(self.origin)
        return mapped

    def to_input(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (x, y) points of the source, shape (n, 2), to the input: the inverse."""
        moved = np.asarray(points) - np.asarray(self.origin)
        mapped: NDArray[np.float64] = moved @ np.linalg.inv(self._steps)
        return mapped

    def on_grid(self, rows: int, columns: int) -> "CropPlacement":
        """Return the same place in a source that was resampled to another grid."""
        x, y = columns / self.columns, rows / self.rows
        scaled = {
            name: (point[0] * x, point[1] * y)
            for name, point in (
                ("origin", self.origin),
                ("across", self.across),
                ("down", self.down),
            )
        }
        return replace(self, rows=rows, columns=columns, **scaled)

    def share_inside(self, size: int) -> float:
        """Return the share of the crop, [0, 1], that lies on the image; `size` is the input's."""
        return float(self.inside(size, _COUNTED).mean())

    def inside(self, size: int, count: int) -> NDArray[np.bool_]:
        """Tell which of count x count cells of the crop have their middle on the image."""
        middles = (np.arange(count) + 0.5) * size / count
        grid = np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2)
        source = self.unclipped(grid)
        on = (source >= 0).all(axis=1) & (source < [self.columns, self.rows]).all(axis=1)
        return on.reshape(count, count)

    def map_to_source(self, evidence: NDArray[np.float32], size: int) -> NDArray[np.float32]:
        """Resample a map over the crop to the source image; zero around the crop.

        Parameters
        ----------
        evidence : float32 array, shape (h, w)
            Any grid that covers the crop.
        size : int
            Side of the network input in pixels.

        Returns
        -------
        float32 array, shape (rows, columns)
        """
        height, width = evidence.shape
        cells = np.array([width / size, height / size])
        back = np.linalg.inv(self._steps)  # rows: what one source pixel is in the input
        start = -np.asarray(self.origin) @ back
        mapped = _sampled(evidence, (start * cells, back * cells), (self.rows, self.columns), 0.0)
        return np.clip(mapped, 0.0, None)

    @property
    def _steps(self) -> NDArray[np.float64]:
        return np.array([self.across, self.down], dtype=np.float64)


def crop_unit(
    radiograph: Radiograph, placement: CropPlacement, profile: PixelProfile
) -> NDArray[np.float32]:
    """Cut a crop out and window it: steps 1 to 3 of the pixel contract, for a crop.

    Where the source has more pixels than the input they are averaged over their area, else
    sampled bilinearly. What lies beyond the image is black and does not count for the window.

    Returns
    -------
    float32 array, shape (size, size), in [0, 1], larger is brighter

    Raises
    ------
    ValueError
        The array is not two-dimensional and finite, or the crop holds no contrast.
    """
    bright = bright_values(radiograph)
    origin, steps = np.asarray(placement.origin), np.array([placement.across, placement.down])
    corner, part = _around(bright, placement, profile.size)
    shape = (profile.size, profile.size)
    sampled = _sampled(part, (origin - corner, steps), shape, float(bright.min()))
    inside = placement.inside(profile.size, profile.size)
    if not inside.any():
        raise ValueError("the crop does not touch the image")
    return np.where(inside, windowed(sampled, sampled[inside], profile), np.float32(0))


def _around(
    values: NDArray[np.float32], placement: CropPlacement, size: int
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return the upright part of an image that holds a crop, and its (x, y) corner in the image."""
    corners = placement.unclipped(np.array([(0, 0), (size, 0), (0, size), (size, size)], float))
    limit = np.array([placement.columns, placement.rows])
    low = np.clip(np.floor(corners.min(axis=0)) - 2, 0, limit - 1).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + 2, low + 1, limit).astype(int)
    return low.astype(np.float64), values[low[1] : high[1], low[0] : high[0]]


def _sampled(
    values: NDArray[np.float32],
    place: tuple[NDArray[np.float64], NDArray[np.float64]],
    shape: tuple[int, int],
    beyond: float,
) -> NDArray[np.float32]:
    """Resample an image to a grid of `shape` (rows, columns) that lies in it at any angle.

    `place` is the grid's corner in the image, and its steps to the right and downwards. A step that
    is longer than a pixel is walked in as many smaller ones, whose samples are averaged.
    """
    rows, columns = shape
    (across, down), corner = place[1], place[0]
    finer = _finer(across, columns), _finer(down, rows)
    # Pillow maps the middle of each pixel of the result, (x + 0.5, y + 0.5), by these six numbers.
    right, below = across / finer[0], down / finer[1]
    numbers = (right[0], below[0], corner[0], right[1], below[1], corner[1])
    image = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32))
    fine = image.transform(
        (columns * finer[0], rows * finer[1]),
        Image.Transform.AFFINE,
        numbers,
        resample=Image.Resampling.BILINEAR,
        fillcolor=beyond,
    )
    blocks = np.asarray(fine, dtype=np.float32).reshape(rows, finer[1], columns, finer[0])
    averaged: NDArray[np.float32] = blocks.mean(axis=(1, 3), dtype=np.float32)
    return averaged


def _finer(step: NDArray[np.float64], count: int) -> int:
    """Return in how many samples a step is taken."""
    return max(1, min(int(np.ceil(np.hypot(*step) - 1e-9)), _MOST_SAMPLES // count))
