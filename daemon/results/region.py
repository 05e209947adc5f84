"""Where on the image the evidence lies: the box that is drawn, and coded in the report."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from daemon.records import ImageReading

_LEVEL = 0.5
"""The region is where evidence reaches this share of its maximum."""

_GRID = 192
"""Longer side of the grid on which the region is looked for, cells."""


@dataclass(frozen=True)
class Box:
    """A rectangle in source pixels, (0, 0) at the outer corner of the first pixel (C.18.6.1.1)."""

    left: float
    top: float
    right: float
    bottom: float

    def corners(self) -> NDArray[np.float64]:
        """Return the closed outline, shape (5, 2), as (column, row)."""
        return np.array(
            [
                (self.left, self.top),
                (self.right, self.top),
                (self.right, self.bottom),
                (self.left, self.bottom),
                (self.left, self.top),
            ]
        )


def evidence_on_source(
    image: ImageReading, finding: str, longest: int | None = None
) -> NDArray[np.float32] | None:
    """Resample the evidence for a finding to the source image and scale it to [0, 1].

    Parameters
    ----------
    image : ImageReading
    finding : str
    longest : int, optional
        Longer side of the returned grid; without it, the grid is the source's own pixels.

    Returns
    -------
    float32 array, shape (rows, columns) or its reduction; None where there is no usable evidence:
    no map, all zero on the image, or not finite.
    """
    evidence = image.evidence.get(finding)
    place = image.placement
    if evidence is None or place is None or not np.isfinite(evidence).all():
        return None
    if longest is not None:
        shrink = min(1.0, longest / max(place.rows, place.columns))
        rows, columns = max(1, round(place.rows * shrink)), max(1, round(place.columns * shrink))
        place = place.on_grid(rows, columns)
    on_source = place.map_to_source(evidence, image.input_size)
    highest = float(on_source.max())
    if highest <= np.finfo(np.float32).eps:
        return None
    return on_source / np.float32(highest)


def region_of(image: ImageReading, finding: str) -> Box | None:
    """Return the box around the strongest evidence; None where there is no usable evidence.

    The box holds the connected area around the maximum in which evidence reaches half of it.
    """
    evidence = evidence_on_source(image, finding, longest=_GRID)
    if evidence is None or image.placement is None:
        return None
    row, column = np.unravel_index(int(evidence.argmax()), evidence.shape)
    found = _connected(evidence >= _LEVEL, (int(row), int(column)))
    across, down = np.flatnonzero(found.any(axis=0)), np.flatnonzero(found.any(axis=1))
    wide = image.placement.columns / evidence.shape[1]
    high = image.placement.rows / evidence.shape[0]
    return Box(
        left=float(across[0] * wide),
        top=float(down[0] * high),
        right=float((across[-1] + 1) * wide),
        bottom=float((down[-1] + 1) * high),
    )


def size_of(image: ImageReading) -> tuple[int, int] | None:
    """Return rows and columns of an image; None where neither pixels nor header tell them."""
    if image.radiograph is not None:
        rows, columns = image.radiograph.values.shape
        return int(rows), int(columns)
    if image.header is not None and image.header.rows and image.header.columns:
        return image.header.rows, image.header.columns
    return None


def whole(rows: int, columns: int) -> Box:
    """Return the box around a whole image."""
    return Box(0.0, 0.0, float(columns), float(rows))


def _connected(area: NDArray[np.bool_], start: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the part of an area that is connected with a cell by edges, bool (rows, columns).

    What is found grows by whole runs, along rows and columns in turn, until it does not grow.
    """
    found = np.zeros_like(area)
    found[start] = True
    ways = [(_runs(area), found, area), (_runs(area.T), found.T, area.T)]
    before, now = 0, 1
    while before < now:
        for runs, so_far, inside in ways:
            reached = np.zeros(int(runs.max()) + 1, bool)
            reached[runs[so_far]] = True
            so_far[:] = inside & reached[runs]
        before, now = now, int(found.sum())
    return found


def _runs(area: NDArray[np.bool_]) -> NDArray[np.int_]:
    """Give the cells of an area numbers, along rows, alike where no gap is between them."""
    gaps = np.ones((area.shape[0], area.shape[1] + 1), bool)
    gaps[:, :-1] = ~area
    numbers: NDArray[np.int_] = np.cumsum(gaps).reshape(gaps.shape)[:, :-1]
    return numbers
