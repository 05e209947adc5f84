"""The landmark localiser of DeepWrist: an hourglass with a soft-argmax at its end.

Source: Raisuddin et al. 2021 and its parent KNEEL (Tiulpin et al. 2019); stem, depth and widths are
the published ones. Its "1x1" blocks have kernel 3, as the published code does in effect.
"""

from collections.abc import Iterator
from typing import Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

_STEM_STRIDE = 4


class HourglassConfig(BaseModel):
    """All that is needed to build the localiser again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str = Field(default="hourglass", pattern="^hourglass$")
    size: int = Field(default=256, ge=16, description="side of the square input, pixels")
    landmarks: tuple[str, ...] = Field(
        default=("distal_ulna", "distal_radius", "wrist_centre"), min_length=1
    )
    width: int = Field(default=64, ge=4, description="channels of the stem")
    depth: int = Field(default=6, ge=1, description="how often the hourglass halves its grid")
    dropout: float = Field(default=0.25, ge=0, lt=1, description="of the mixer's channels")

    @model_validator(mode="after")
    def _halves_evenly(self) -> Self:
        if self.size % (_STEM_STRIDE * 2**self.depth):
            raise ValueError(
                f"size {self.size} cannot be halved {self.depth} times behind the stem"
            )
        return self


class Residual(nn.Module):
    """Three blocks of half the width, half the width, whole width, beside a skip."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.narrow = _block(inside, outside // 2, active=True)
        self.middle = _block(outside // 2, outside // 2, active=True)
        self.widen = _block(outside // 2, outside, active=False)
        self.skip = nn.Identity() if inside == outside else _block(inside, outside, active=False)

    @override
    def forward(self, features: Tensor) -> Tensor:
        """[batch, inside, rows, columns] -> [batch, outside, rows, columns]."""
        changed: Tensor = self.widen(self.middle(self.narrow(features)))
        skipped: Tensor = self.skip(features)
        return changed + skipped


class Hourglass(nn.Module):
    """Half the grid and back, with another hourglass inside until `depth` is used up."""

    def __init__(self, depth: int, inside: int, width: int, outside: int) -> None:
        super().__init__()
        inner = Hourglass(depth - 1, width, width, outside) if depth > 1 else None
        self.lower = nn.Sequential(
            Residual(inside, width),
            Residual(width, width),
            Residual(width, width),
            inner or Residual(width, outside),
            Residual(outside, outside),
        )
        self.upper = nn.Sequential(
            Residual(inside, width), Residual(width, width), Residual(width, outside)
        )

    @override
    def forward(self, features: Tensor) -> Tensor:
        """[batch, inside, rows, columns] -> [batch, outside, rows, columns]."""
        low = self.lower(functional.max_pool2d(features, 2))
        lifted = functional.interpolate(low, scale_factor=2, mode="bilinear", align_corners=True)
        high: Tensor = self.upper(features)
        return high + lifted


class Localiser(nn.Module):
    """Landmarks of a radiograph.

    Parameters
    ----------
    config : HourglassConfig
    """

    def __init__(self, config: HourglassConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.stem = nn.Sequential(
            nn.Conv2d(1, width, kernel_size=7, stride=2, padding=3),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            Residual(width, 2 * width),
            nn.MaxPool2d(2),
            Residual(2 * width, 2 * width),
            Residual(2 * width, 2 * width),
            Residual(2 * width, 4 * width),
        )
        self.hourglass = Hourglass(config.depth, 4 * width, 4 * width, 8 * width)
        self.mixer = nn.Sequential(
            nn.Dropout2d(config.dropout),
            _block(8 * width, 8 * width, active=True),
            nn.Dropout2d(config.dropout),
            _block(8 * width, 4 * width, active=True),
            nn.Conv2d(4 * width, len(config.landmarks), kernel_size=1),
        )

    @override
    def forward(self, image: Tensor) -> Tensor:
        """Return (x, y) of each landmark [batch, landmarks, 2] as fractions of the side, [0, 1).

        Of an image [batch, 3, size, size] with equal channels the first is read.
        """
        heat: Tensor = self.mixer(self.hourglass(self.stem(image[:, :1])))
        return soft_argmax(heat)

    def stages(self) -> Iterator[nn.Module]:
        """Yield stem, hourglass and mixer."""
        yield from (self.stem, self.hourglass, self.mixer)

    def backbone_parameters(self) -> Iterator[nn.Parameter]:
        """Yield nothing: no part has weights from elsewhere."""
        yield from ()


def soft_argmax(heat: Tensor) -> Tensor:
    """Return the expected place of each heat map [batch, maps, rows, columns].

    As (x, y) [batch, maps, 2], fractions of the side.
    """
    rows, columns = heat.shape[2], heat.shape[3]
    share = torch.softmax(heat.flatten(2), dim=2).reshape(-1, heat.shape[1], rows, columns)
    x = torch.arange(columns, dtype=heat.dtype, device=heat.device) / columns
    y = torch.arange(rows, dtype=heat.dtype, device=heat.device) / rows
    return torch.stack([(share.sum(2) * x).sum(2), (share.sum(3) * y).sum(2)], dim=2)


def _block(inside: int, outside: int, active: bool) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inside, outside, kernel_size=3, padding=1),
        nn.BatchNorm2d(outside),
    ]
    return nn.Sequential(*layers, *([nn.ReLU()] if active else []))
