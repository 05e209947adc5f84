"""What graphs answer, and what a network must be able to do to be asked."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from model.composition import centres_of_mass

PREDICTED = -1
"""Target class -1 asks for the evidence of the predicted class."""


class Output(Protocol):
    """What one call returns for a batch: a dataclass of arrays, one row for each image."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def images(self) -> int:
        """How many images were answered."""

    def of_golden(self, *, gated: bool) -> tuple[NDArray[np.float64], str]:
        """Return the numbers that a golden answer fixes, of the first image; and how many of what.

        `gated` says whether it fixes the gate. The words are such as "2 classes".
        """


Answers = TypeVar("Answers", bound=Output)
Given = TypeVar("Given", bound=Output, covariant=True)


@dataclass(frozen=True, eq=False)
class NetworkOutput:
    """What a classifier returns: see `model.package` for shapes and ranges.

    `finding_cams` is [batch, findings, h, w] where the graph gives every finding's map at once.
    """

    logits: NDArray[np.float32]
    cam: NDArray[np.float32]
    gate: NDArray[np.float32] | None
    finding_cams: NDArray[np.float32] | None = None

    @property
    def images(self) -> int:
        """How many images were answered."""
        return len(self.logits)

    def of_golden(self, *, gated: bool) -> tuple[NDArray[np.float64], str]:
        """Return the first image's logits, and its gate where there is one and it counts."""
        gate = self.gate[:1].ravel() if gated and self.gate is not None else np.empty(0)
        numbers = np.concatenate([self.logits[0], gate]).astype(np.float64)
        return numbers, f"{len(self.logits[0])} classes"


@dataclass(frozen=True, eq=False)
class LandmarkOutput:
    """What a localiser returns: places [batch, landmarks, 2], or heat maps with two axes more.

    See `model.landmarks` for shapes and ranges.
    """

    found: NDArray[np.float32]

    @property
    def images(self) -> int:
        """How many images were answered."""
        return len(self.found)

    def of_golden(self, *, gated: bool) -> tuple[NDArray[np.float64], str]:
        """Return the places of the first image, of heat maps their centres of mass."""
        first = self.found[0]
        places = centres_of_mass(first) if first.ndim > 2 else first  # noqa: PLR2004 - a list of xy
        return places.astype(np.float64).ravel(), f"{len(first)} landmarks"


class Runs(Protocol[Given]):
    """Something that answers like a package's graph."""

    @property
    def provider(self) -> str:
        """The execution provider that runs it."""
        ...

    def run(self, images: NDArray[np.float32], targets: NDArray[np.int64]) -> Given:
        """Answer float32 (batch, 3, size, size) and, for evidence, int64 (batch,)."""
        ...


Network = Runs[NetworkOutput]
"""A classifier."""
