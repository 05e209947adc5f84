"""What lies where in the letterboxed pictures: boxes of findings as masks, and landmarks."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.pixels import Placement
from training.data.examples import DataError, Example
from training.data.films import Films

BOX_CELL = 8
"""Pixels of a cell of the masks."""


@dataclass(frozen=True, eq=False)
class Located:
    """Of every film, by its row.

    Attributes
    ----------
    masks : Tensor [films, cells, cells]
        The share of each cell that boxes cover.
    known : Tensor [films], bool
        False for films with a finding and without a box, which say nothing about places.
    points : Tensor [films, landmarks, 2]
        (x, y) as fractions of the input's side.
    """

    masks: Tensor
    known: Tensor
    points: Tensor


def locate(films: Films, landmarks: tuple[str, ...] = ()) -> Located:
    """Read where the films' boxes and landmarks lie in the network's input.

    Raises
    ------
    DataError
        A film has not as many landmarks as there are names, or cannot be read.
    """
    examples, size = films.examples, films.profile.size
    wrong = [e.path for e in examples if landmarks and len(e.landmarks) != len(landmarks)]
    if wrong:
        raise DataError(
            f"{wrong[0]}: column landmarks: give {len(landmarks)} places x y, separated by ; "
            f"({', '.join(landmarks)})"
        )
    pairs = [(example, films.placement(row)) for row, example in enumerate(examples)]
    masks = np.stack([box_mask(e, placement, size, BOX_CELL) for e, placement in pairs])
    points = [on_input(e.landmarks, placement, size) for e, placement in pairs]
    return Located(
        masks=torch.from_numpy(masks),
        known=torch.tensor([bool(e.boxes) or not e.labels for e in examples]),
        points=torch.from_numpy(np.stack(points)),
    )


def box_mask(example: Example, placement: Placement, size: int, cell: int) -> NDArray[np.float32]:
    """Draw the boxes on a grid of ``size // cell`` squares: the share of each cell they cover."""
    side = size // cell
    fine = np.zeros((side * cell, side * cell), dtype=np.float32)
    for x0, y0, x1, y1 in example.boxes:
        left, right = (x * placement.scale_x + placement.offset_x for x in (x0, x1))
        top, bottom = (y * placement.scale_y + placement.offset_y for y in (y0, y1))
        fine[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))] = 1.0
    shares: NDArray[np.float32] = fine.reshape(side, cell, side, cell).mean(axis=(1, 3))
    return shares


def on_input(
    points: tuple[tuple[float, float], ...], placement: Placement, size: int
) -> NDArray[np.float32]:
    """Return points [n, 2] of the file as fractions of the input's side."""
    found = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    scale = np.array([placement.scale_x, placement.scale_y])
    offset = np.array([placement.offset_x, placement.offset_y])
    placed: NDArray[np.float32] = ((found * scale + offset) / size).astype(np.float32)
    return placed
