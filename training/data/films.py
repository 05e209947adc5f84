"""How a film becomes a square picture for training, before any random change.

"letterbox" is the pixel contract (`model.pixels`): what a package that the daemon runs must use.
"legacy_510_384" is the wrist paper's: squashed to 510/384 of the input size whatever the aspect,
no window, then a crop of the input size: at random in training, the middle in evaluation. 16-bit
films keep their depth in both; DICOM, which has none left after its tables, goes from darkest to
brightest in the second.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from typing_extensions import override

from model.pixels import PixelProfile, Placement, bright_values, to_unit
from training.data.examples import DataError, Example
from training.data.radiographs import grey_range, read_radiograph
from training.recipe.sections import Geometry

_LEGACY_RATIO = 510 / 384


def stored_side(geometry: Geometry, size: int) -> int:
    """Side of the picture before the crop."""
    return size if geometry == "letterbox" else round(size * _LEGACY_RATIO)


def letterboxed(example: Example, profile: PixelProfile) -> tuple[NDArray[np.float32], Placement]:
    """Read one film as float32 (size, size) in [0, 1], and where it lies there.

    Raises
    ------
    DataError
        The file cannot be read or holds no contrast.
    """
    radiograph = read_radiograph(example.path)
    try:
        return to_unit(radiograph, profile)
    except ValueError as error:
        raise DataError(f"{example.path}: {error}") from error


def middle(units: Tensor, size: int) -> Tensor:
    """Crop the middle [batch, size, size] of pictures [batch, side, side]."""
    start = (units.shape[-1] - size) // 2
    return units[..., start : start + size, start : start + size]


def normaliser(profile: PixelProfile) -> Callable[[Tensor], Tensor]:
    """Return the last step of the pixel contract for a batch [n, size, size] of tensors."""
    mean, std = torch.tensor(profile.mean), torch.tensor(profile.std)

    def normalise(units: Tensor) -> Tensor:
        return (units.unsqueeze(1) - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)

    return normalise


def pixels_of(geometry: Geometry, profile: PixelProfile) -> dict[str, Any]:
    """Return what a checkpoint records; only "letterbox" can be exported for the daemon."""
    recorded = profile.model_dump(mode="json")
    return recorded if geometry == "letterbox" else recorded | {"name": geometry}


class Films(Dataset[Tensor]):
    """Pictures of examples by their row, float32 [side, side] in [0, 1], kept in memory when asked.

    Parameters
    ----------
    examples : sequence of Example
    geometry : Geometry
    profile : PixelProfile
    keep : bool
        Read every film once, now, instead of each time it is drawn.
    """

    def __init__(
        self, examples: Sequence[Example], geometry: Geometry, profile: PixelProfile, keep: bool
    ) -> None:
        self.examples, self.geometry, self.profile = list(examples), geometry, profile
        self._placements: dict[int, Placement] = {}
        self._kept: Tensor | None = None
        if keep:
            self._kept = torch.stack([self._read(row) for row in range(len(self.examples))])

    def __len__(self) -> int:
        """Return the number of films."""
        return len(self.examples)

    @override
    def __getitem__(self, row: int) -> Tensor:
        """Return the picture of one row."""
        return self._read(row) if self._kept is None else self._kept[row]

    def placement(self, row: int) -> Placement:
        """Return where one film lies in its picture; of the letterbox only."""
        if row not in self._placements:
            self._read(row)
        return self._placements[row]

    def inputs(self, rows: Sequence[int]) -> Tensor:
        """Return the network's input [n, 3, size, size] of some rows, unchanged."""
        units = torch.stack([self[row] for row in rows])
        return normaliser(self.profile)(middle(units, self.profile.size))

    def _read(self, row: int) -> Tensor:
        example = self.examples[row]
        if self.geometry != "letterbox":
            return torch.from_numpy(
                _squashed(example, stored_side(self.geometry, self.profile.size))
            )
        unit, self._placements[row] = letterboxed(example, self.profile)
        return torch.from_numpy(unit)


def _squashed(example: Example, side: int) -> NDArray[np.float32]:
    try:
        values = bright_values(read_radiograph(example.path))
    except ValueError as error:
        raise DataError(f"{example.path}: {error}") from error
    low, high = map(np.float32, grey_range(example.path, values))
    small = Image.fromarray(values).resize((side, side), Image.Resampling.BILINEAR)
    unit: NDArray[np.float32] = np.clip((np.asarray(small, np.float32) - low) / (high - low), 0, 1)
    return unit
