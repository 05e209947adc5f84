"""The package of a landmark localiser: what training and later systems read, not the daemon.

The graph's contract: input ``image`` float32 [batch, 3, size, size]; output ``landmarks``
[batch, landmarks, 2], (x, y) as fractions of the input's side.
"""

from typing import Literal

from pydantic import Field, model_validator

from model.verified import Description


class LandmarkManifest(Description):
    """All that must be known of a localiser to use it."""

    kind: Literal["landmarks"] = "landmarks"
    landmarks: tuple[str, ...] = Field(min_length=1, description="names, in the output's order")
    golden: tuple[tuple[float, float], ...] = Field(
        description="answer to model.package.golden_input, measured at export"
    )

    @model_validator(mode="after")
    def _one_place_each(self) -> "LandmarkManifest":
        if len(self.golden) != len(self.landmarks):
            raise ValueError("golden needs one place for each landmark")
        return self
