"""Films that look alike: the same film saved anew, scaled, or with another contrast.

A film's fingerprint is a picture of 32 x 32, in mean 0 and of length 1, so that the product of two
is their correlation. A hash of 64 bits does not do: radiographs of one kind look alike by nature,
and every sixth pair of chest films is within 6 bits of difference hashes. A film that was cut
narrower is not found.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.pixels import bright_values
from training.data.examples import DataError
from training.data.radiographs import read_radiograph

LEAST_CORRELATION = 0.99
"""JPEG of quality 50, 60 % of the side and gamma 0.8 each leave 0.992 on real films. Of 8 million
pairs of chest films and of limbs from different groups, one reaches 0.99: the same film with and
without a marker."""
_SIDE = 32
_BLOCK = 512
"""Films that are compared with all others at a time, which bounds memory."""


def fingerprint(path: Path) -> NDArray[np.float32]:
    """Read a film and reduce it to float32 [1024].

    Raises
    ------
    DataError
        It cannot be read or holds no contrast.
    """
    try:
        picture = Image.fromarray(bright_values(read_radiograph(path)))
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    small = np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR), np.float64)
    centred = small.ravel() - small.mean()
    length = np.linalg.norm(centred)
    if not length:
        raise DataError(f"{path}: the image has no contrast")
    reduced: NDArray[np.float32] = (centred / length).astype(np.float32)
    return reduced


def alike(prints: Sequence[NDArray[np.float32]], sides: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield pairs of rows on different sides that look alike; 10^4 films take seconds.

    Parameters
    ----------
    prints : sequence of float32 arrays [1024]
    sides : sequence of str
        The split of each.
    """
    pictures, split = np.array(prints), np.array(sides)
    for start in range(0, len(prints), _BLOCK):
        block = slice(start, start + _BLOCK)
        near = pictures[block] @ pictures[start:].T >= LEAST_CORRELATION
        near &= split[block, None] != split[None, start:]
        for left, right in np.argwhere(np.triu(near)):
            yield start + int(left), start + int(right)
