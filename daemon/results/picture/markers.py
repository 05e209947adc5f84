"""Side markers: letters of lead beside the anatomy, which nothing is drawn over.

A marker is found as what a small window holds whose frame is dark all around, and most of which is
bright. Bone is no such thing: soft tissue around it is not dark, and it is longer. What touches the
edge of the collimation, a cast or the limb is not found; better a marker missed than a piece of
anatomy left out.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from daemon.results.region import Box

_GRID = 256
"""Longer side of the grid on which markers are looked for, cells."""

_SAMPLES = 4
"""Pixels that are averaged along a cell, at least, where there are so many."""

_DARK_BELOW, _BRIGHT_FROM = 128, 200
"""Grey values of the windowed picture, which is black to white from its 1st to 99th percentile."""

_FEWEST, _MOSTLY = 5, 0.5
"""Bright cells in a marker; their share of those that are not dark."""

_SIZES = (0.03, 0.045, 0.06, 0.08, 0.1, 0.125, 0.15)
_SLENDER = (1.0, 0.65)
"""Heights of the windows as shares of the grid's longer side; widths as shares of the height."""

_Cells = tuple[int, int, int, int]
"""Left, top, right, bottom; the last two excluded."""

_FRAME = _MARGIN = 2
"""Width of a window's frame, and what is added around a marker, cells. Outside is dark."""


def markers(grey: NDArray[np.uint8]) -> list[Box]:
    """Return the boxes of side markers on a windowed picture, uint8 (rows, columns), bones bright.

    The boxes are in its pixels, and a little larger than what they hold: letters have soft edges.
    """
    rows, columns = grey.shape
    shrink = min(1.0, _GRID / max(rows, columns))
    size = max(1, round(columns * shrink)), max(1, round(rows * shrink))
    step = max(1, max(rows, columns) // (_GRID * _SAMPLES))
    fewer = np.ascontiguousarray(grey[::step, ::step])
    small = Image.fromarray(fewer).resize(size, Image.Resampling.BOX, reducing_gap=1.0)
    cells = np.pad(np.asarray(small), _FRAME)
    across, down = columns / size[0], rows / size[1]
    return [
        Box(
            left=max(0.0, (left - _FRAME - _MARGIN) * across),
            top=max(0.0, (top - _FRAME - _MARGIN) * down),
            right=min(float(columns), (right - _FRAME + _MARGIN) * across),
            bottom=min(float(rows), (bottom - _FRAME + _MARGIN) * down),
        )
        for left, top, right, bottom in _isolated(cells >= _DARK_BELOW, cells >= _BRIGHT_FROM)
    ]


def _isolated(lit: NDArray[np.bool_], bright: NDArray[np.bool_]) -> list[_Cells]:
    """Return what lies alone and is mostly bright."""
    lit_sums, bright_sums = _sums(lit), _sums(bright)
    found: list[_Cells] = []
    for high, wide in _windows(lit.shape):
        framed = _held(lit_sums, high + 2 * _FRAME, wide + 2 * _FRAME)
        within = (slice(_FRAME, _FRAME + framed.shape[0]), slice(_FRAME, _FRAME + framed.shape[1]))
        held, shining = (_held(sums, high, wide)[within] for sums in (lit_sums, bright_sums))
        hits = (held == framed) & (shining >= _FEWEST) & (shining >= _MOSTLY * held)
        for row, column in np.argwhere(hits) + _FRAME:
            window = (int(column), int(row), int(column) + wide, int(row) + high)
            if not any(_holds(window, one) for one in found):
                found.append(_shrunk(window, lit))
    return found


def _windows(shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Give (height, width) of all windows that fit with their frames, the small ones first."""
    for size in _SIZES:
        for slender in _SLENDER:
            high = max(2, round(size * max(shape)))
            wide = max(2, round(high * slender))
            if high + 2 * _FRAME <= shape[0] and wide + 2 * _FRAME <= shape[1]:
                yield high, wide


def _sums(cells: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return how many cells are set above and left of each corner (a row and a column more)."""
    sums = np.zeros((cells.shape[0] + 1, cells.shape[1] + 1), np.int32)
    np.cumsum(np.cumsum(cells, axis=0, dtype=np.int32), axis=1, out=sums[1:, 1:])
    return sums


def _held(sums: NDArray[np.int32], high: int, wide: int) -> NDArray[np.int32]:
    """Return how many cells are set in each window of a size, by its upper left cell."""
    held: NDArray[np.int32] = (
        sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]
    )
    return held


def _holds(window: _Cells, one: _Cells) -> bool:
    return (
        window[0] <= one[0] and window[1] <= one[1] and window[2] >= one[2] and window[3] >= one[3]
    )


def _shrunk(window: _Cells, lit: NDArray[np.bool_]) -> _Cells:
    """Return the smallest window around what a window holds."""
    left, top, right, bottom = window
    part = lit[top:bottom, left:right]
    across, down = np.flatnonzero(part.any(axis=0)), np.flatnonzero(part.any(axis=1))
    return (
        left + int(across[0]),
        top + int(down[0]),
        left + int(across[-1]) + 1,
        top + int(down[-1]) + 1,
    )
