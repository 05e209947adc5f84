"""Random changes of a batch: geometry (with its box masks) and exposure, before normalisation.

The same changes for all classes, drawn anew each time (seed system S1 changed only the rare
classes, once, on disk; its test then measured the changes).
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from training.config import AugmentSection


def augment(
    units: Tensor, masks: Tensor, ranges: AugmentSection, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Change pictures [batch, size, size] in [0, 1] and their masks [batch, cells, cells] alike."""
    matrix = _geometry(units.shape[0], ranges, generator)
    units, masks = _warp(units, matrix), _warp(masks, matrix)
    return _expose(units, ranges, generator), masks


def _uniform(count: int, reach: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(count, generator=generator) * 2 - 1) * reach


def _geometry(count: int, ranges: AugmentSection, generator: torch.Generator) -> Tensor:
    """Affine matrices [count, 2, 3] from output to input, coordinates in [-1, 1]."""
    angle = _uniform(count, math.radians(ranges.rotation_deg), generator)
    scale = torch.exp(_uniform(count, ranges.zoom, generator))
    mirror = 1 - 2 * (torch.rand(count, generator=generator) < ranges.flip).float()
    overturn = 1 - 2 * (torch.rand(count, generator=generator) < ranges.upside_down).float()
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    across = torch.stack(
        [cos * mirror, -sin * overturn, _uniform(count, 2 * ranges.shift, generator)], dim=1
    )
    down = torch.stack(
        [sin * mirror, cos * overturn, _uniform(count, 2 * ranges.shift, generator)], dim=1
    )
    return torch.stack([across, down], dim=1)


def _warp(pictures: Tensor, matrix: Tensor) -> Tensor:
    stack = pictures.unsqueeze(1)
    grid = functional.affine_grid(matrix, list(stack.shape), align_corners=False)
    warped = functional.grid_sample(stack, grid, mode="bilinear", align_corners=False)
    return warped.squeeze(1)


def _expose(units: Tensor, ranges: AugmentSection, generator: torch.Generator) -> Tensor:
    count = units.shape[0]

    def column(values: Tensor) -> Tensor:
        return values.view(-1, 1, 1)

    coarse = torch.rand(count, generator=generator) < ranges.blur
    if coarse.any():
        units = units.clone()
        units[coarse] = _coarser(units[coarse])
    units = units.clamp(0, 1) ** column(torch.exp(_uniform(count, ranges.gamma, generator)))
    gain = 1 + _uniform(count, ranges.contrast, generator)
    units = units * column(gain) + column(_uniform(count, ranges.contrast / 4, generator))
    strength = torch.rand(count, generator=generator) * ranges.noise
    noise = torch.randn(units.shape, generator=generator)
    return (units + noise * column(strength)).clamp(0, 1)


def _coarser(units: Tensor) -> Tensor:
    """Lose the finest detail: down to 60 % of the side and back."""
    side = units.shape[-1]
    small = functional.interpolate(
        units.unsqueeze(1), size=(side * 3 // 5,) * 2, mode="bilinear", antialias=True
    )
    return functional.interpolate(small, size=(side, side), mode="bilinear").squeeze(1)
