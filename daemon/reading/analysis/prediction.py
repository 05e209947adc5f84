"""What comes of an analysis, and what every analysis can do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from daemon.dicom.header import Header
from daemon.reading.decoded import Decoded
from daemon.records import Reason
from model.cropping import CropPlacement
from model.pixels import Placement


@dataclass(frozen=True, eq=False)
class Prepared:
    """An image that is ready for a network.

    `branch` is the place of the analysis that takes it, where one of several does.
    """

    index: int
    decoded: Decoded
    tensor: NDArray[np.float32]
    placement: Placement | CropPlacement
    branch: int = 0


@dataclass(frozen=True, eq=False)
class Prediction:
    """What was made of one image.

    Attributes
    ----------
    reason : Reason or None
        Why there are no scores.
    logits : float64 array, shape (classes,)
        Divided by the temperature; empty with a reason.
    probabilities : float64 array, shape (classes,)
        Calibrated, in [0, 1]; empty with a reason.
    evidence : mapping finding -> float32 array (h, w)
        Over the network input, >= 0, not normalised.
    placement, size : Placement or CropPlacement, int
        Where the network input lies, and its side in pixels.
    landmarks : mapping name -> (x, y)
        In source pixels.
    """

    placement: Placement | CropPlacement
    size: int
    reason: Reason | None = None
    logits: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    probabilities: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    evidence: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    landmarks: Mapping[str, tuple[float, float]] = field(default_factory=dict)


class Analysis(Protocol):
    """What one model does with images."""

    @property
    def provider(self) -> str:
        """The execution provider that runs it."""
        ...

    def prepare(self, index: int, decoded: Decoded, header: Header | None) -> Prepared:
        """Make an image ready; called in several threads at once.

        Raises
        ------
        NotReadable
            The model does not read such an image.
        """
        ...

    def run(self, ready: Sequence[Prepared]) -> list[Prediction]:
        """Answer images in their order; called in one thread.

        Raises
        ------
        Unavailable
            The device failed; nothing was decided.
        """
        ...
