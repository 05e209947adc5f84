"""The package of a landmark localiser: a stage of a chain (`model.chain_package`), not read alone.

The graph's contract: input ``image`` float32 [batch, 3, size, size]; one output, ``landmarks``
[batch, landmarks, 2], (x, y) as fractions of the input's side, or ``heatmaps`` [batch, landmarks,
rows, columns], >= 0, over the whole input, whose peaks are the landmarks
(`model.composition.peaks`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from model.verified import GRAPH_FILE, Description


class LandmarkManifest(Description):
    """All that must be known of a localiser to use it."""

    kind: Literal["landmarks"] = "landmarks"
    output: Literal["landmarks", "heatmaps"] = "landmarks"
    landmarks: tuple[str, ...] = Field(min_length=1, description="names, in the output's order")
    golden: tuple[tuple[float, float], ...] = Field(
        description="answer to model.package.golden_input, measured at export; of heat maps, their "
        "centres of mass"
    )
    tolerance: float = Field(default=1e-3, gt=0, description="of golden, as a fraction")

    @model_validator(mode="after")
    def _one_place_each(self) -> "LandmarkManifest":
        if len(self.golden) != len(self.landmarks):
            raise ValueError("golden needs one place for each landmark")
        return self


@dataclass(frozen=True)
class LandmarkPackage:
    """A verified localiser on disk; `digest` is the sha256 of its manifest."""

    folder: Path
    manifest: LandmarkManifest
    digest: str

    @property
    def graph(self) -> Path:
        """Path of the ONNX file."""
        return self.folder / GRAPH_FILE
