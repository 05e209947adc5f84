"""Random changes of a batch of unit pictures, the same for every class, drawn anew each time.

Crop and flip, Gaussian blur and sharpness with the wrist paper's numbers, RandAugment (Cubuk et
al. 2020), geometry and exposure, mixup (Zhang et al. 2018) and cutmix (Yun et al. 2019). What lies
in the picture (box masks, landmarks) moves with it.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as nnf

from model.networks.torchvision_operators import declare_operators
from training.recipe.sections import AugmentSection

declare_operators()
from torchvision.transforms import v2  # noqa: E402 - needs the operators declared
from torchvision.transforms.v2 import functional  # noqa: E402

BLUR_KERNEL = 5
BLUR_SIGMA = (0.1, 5.0)
SHARPNESS = 1.5


@dataclass(frozen=True)
class Mixture:
    """Which film each was mixed with, and how much of the first is left."""

    partner: Tensor
    share: float


def change(
    units: Tensor, size: int, section: AugmentSection, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Change pictures [batch, side, side] in [0, 1] at random.

    Returns
    -------
    units : Tensor [batch, size, size], in [0, 1]
    matrix : Tensor [batch, 2, 3] or None
        From places in the changed pictures to places before, coordinates in [-1, 1]; see
        `move_mask` and `move_points`. None where pictures were cropped at random.
    """
    cropped = units.shape[-1] != size
    units = _crop(units, size, generator)
    matrix = geometry(len(units), section, generator)
    units = warp(units, matrix) if section.moves else _mirrored(units, matrix)
    units = _expose(units, section, generator)
    for row in range(len(units)):
        units[row] = _blur_or_sharpen(units[row], section, generator)
    if section.randaugment:
        units = _randaugment(units, section, generator)
    return units.clamp(0, 1), None if cropped else matrix


def geometry(count: int, section: AugmentSection, generator: torch.Generator) -> Tensor:
    """Draw affine matrices [count, 2, 3] from output to input, coordinates in [-1, 1]."""
    angle = _uniform(count, math.radians(section.rotation_deg), generator)
    scale = torch.exp(_uniform(count, section.zoom, generator))
    mirror = 1 - 2 * (torch.rand(count, generator=generator) < section.flip).float()
    overturn = 1 - 2 * (torch.rand(count, generator=generator) < section.upside_down).float()
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    across = [cos * mirror, -sin * overturn, _uniform(count, 2 * section.shift, generator)]
    down = [sin * mirror, cos * overturn, _uniform(count, 2 * section.shift, generator)]
    return torch.stack([torch.stack(across, dim=1), torch.stack(down, dim=1)], dim=1)


def warp(pictures: Tensor, matrix: Tensor) -> Tensor:
    """Move pictures [batch, rows, columns] as matrices [batch, 2, 3] say; black comes in."""
    stack = pictures.unsqueeze(1)
    grid = nnf.affine_grid(matrix, list(stack.shape), align_corners=False)
    moved: Tensor = nnf.grid_sample(stack, grid, mode="bilinear", align_corners=False)
    return moved.squeeze(1)


def move_points(points: Tensor, matrix: Tensor) -> Tensor:
    """Move points [batch, n, 2], (x, y) as fractions of the side, as `warp` moves the picture."""
    centred = 2 * points - 1 - matrix[:, None, :, 2]
    turned = torch.linalg.solve(matrix[:, :, :2], centred.transpose(1, 2)).transpose(1, 2)
    moved: Tensor = (turned + 1) / 2
    return moved


def blend(
    units: Tensor, section: AugmentSection, generator: torch.Generator
) -> tuple[Tensor, Mixture | None]:
    """Mix a batch by mixup or cutmix, by chance where both are on; None where neither is."""
    ways = [(mix, section.mixup), (cut, section.cutmix)]
    ways = [(way, alpha) for way, alpha in ways if alpha]
    if not ways:
        return units, None
    way, alpha = ways[int(torch.randint(len(ways), (1,), generator=generator))]
    return way(units, alpha, generator)


def mix(units: Tensor, alpha: float, generator: torch.Generator) -> tuple[Tensor, Mixture]:
    """Blend each picture with a partner; the share is drawn from Beta(alpha, alpha)."""
    share = _share(alpha, generator)
    partner = torch.randperm(len(units), generator=generator)
    return units * share + units[partner] * (1 - share), Mixture(partner, share)


def cut(units: Tensor, alpha: float, generator: torch.Generator) -> tuple[Tensor, Mixture]:
    """Put a rectangle of a partner into each picture; the share is what is left of the area."""
    partner = torch.randperm(len(units), generator=generator)
    reach = (1 - _share(alpha, generator)) ** 0.5
    sides = [slice(*_stretch(side, reach, generator)) for side in units.shape[-2:]]
    mixed = units.clone()
    mixed[:, sides[0], sides[1]] = units[partner][:, sides[0], sides[1]]
    taken = mixed[0, sides[0], sides[1]].numel() / mixed[0].numel()
    return mixed, Mixture(partner, 1 - taken)


def _share(alpha: float, generator: torch.Generator) -> float:
    """Draw from Beta(alpha, alpha), which takes no generator: lend torch's own a seed of ours."""
    seed = int(torch.randint(2**31, (1,), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return float(torch.distributions.Beta(alpha, alpha).sample())


def _stretch(side: int, reach: float, generator: torch.Generator) -> tuple[int, int]:
    """Return first and last of a stretch around a random middle, cut off at the edges."""
    middle = int(torch.randint(side, (1,), generator=generator))
    half = round(side * reach / 2)
    return max(0, middle - half), min(side, middle + half)


def _crop(units: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Crop each picture at random to `size`; always a copy."""
    spare = units.shape[-1] - size
    if not spare:
        return units.clone()
    corners = torch.randint(spare + 1, (len(units), 2), generator=generator).tolist()
    return torch.stack(
        [u[y : y + size, x : x + size] for u, (y, x) in zip(units, corners, strict=True)]
    )


def _mirrored(units: Tensor, matrix: Tensor) -> Tensor:
    """Turn left to right without resampling, where matrices do nothing else."""
    return torch.where((matrix[:, 0, 0] < 0).view(-1, 1, 1), units.flip(-1), units)


def _uniform(count: int, reach: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(count, generator=generator) * 2 - 1) * reach


def _expose(units: Tensor, section: AugmentSection, generator: torch.Generator) -> Tensor:
    count = units.shape[0]

    def column(values: Tensor) -> Tensor:
        return values.view(-1, 1, 1)

    coarse = torch.rand(count, generator=generator) < section.coarsen
    if coarse.any():
        units = units.clone()
        units[coarse] = _coarser(units[coarse])
    if section.gamma:
        power = torch.exp(_uniform(count, section.gamma, generator))
        units = units.clamp(0, 1) ** column(power)
    if section.contrast:
        gain = 1 + _uniform(count, section.contrast, generator)
        units = units * column(gain) + column(_uniform(count, section.contrast / 4, generator))
    if section.noise:
        strength = torch.rand(count, generator=generator) * section.noise
        noise = torch.randn(units.shape, generator=generator)
        units = units + noise * column(strength)
    return units.clamp(0, 1)


def _coarser(units: Tensor) -> Tensor:
    """Lose the finest detail: down to 60 % of the side and back."""
    side = units.shape[-1]
    small = nnf.interpolate(
        units.unsqueeze(1), size=(side * 3 // 5,) * 2, mode="bilinear", antialias=True
    )
    return nnf.interpolate(small, size=(side, side), mode="bilinear").squeeze(1)


def _blur_or_sharpen(unit: Tensor, section: AugmentSection, generator: torch.Generator) -> Tensor:
    blur, sharpen, where = torch.rand(3, generator=generator).tolist()
    picture = unit.unsqueeze(0)
    if blur < section.blur:
        sigma = BLUR_SIGMA[0] + where * (BLUR_SIGMA[1] - BLUR_SIGMA[0])
        picture = functional.gaussian_blur(picture, [BLUR_KERNEL] * 2, [sigma] * 2)
    if sharpen < section.sharpen:
        picture = functional.adjust_sharpness(picture, SHARPNESS)
    return picture.squeeze(0)


def _randaugment(units: Tensor, section: AugmentSection, generator: torch.Generator) -> Tensor:
    """Torchvision draws from the global generator: lend it ours for the while."""
    draw = v2.RandAugment(num_ops=section.randaugment, magnitude=section.magnitude)
    seed = int(torch.randint(2**31, (1,), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.stack([draw(unit.unsqueeze(0)).squeeze(0) for unit in units])
