"""Random changes of a batch of unit pictures, the same for every class, drawn anew each time.

Crop and flip, Gaussian blur and sharpness with the wrist paper's numbers, RandAugment (Cubuk et
al. 2020), the geometry and exposure of `training.augment`, mixup (Zhang et al. 2018) and cutmix
(Yun et al. 2019).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.networks.torchvision_operators import declare_operators
from training.augment import augment
from training.plan import ChangeSection

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


def change(units: Tensor, size: int, section: ChangeSection, generator: torch.Generator) -> Tensor:
    """Change pictures [batch, side, side] in [0, 1] at random; return [batch, size, size]."""
    units = _flip(_crop(units, size, generator), section.flip, generator)
    if section.films is not None:
        units, _ = augment(units, units.new_zeros(len(units), 1, 1), section.films, generator)
    for row in range(len(units)):
        units[row] = _blur_or_sharpen(units[row], section, generator)
    if section.randaugment:
        units = _randaugment(units, section, generator)
    return units.clamp(0, 1)


def blend(
    units: Tensor, section: ChangeSection, generator: torch.Generator
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


def _flip(units: Tensor, share: float, generator: torch.Generator) -> Tensor:
    turned = torch.rand(len(units), generator=generator) < share
    return torch.where(turned.view(-1, 1, 1), units.flip(-1), units)


def _blur_or_sharpen(unit: Tensor, section: ChangeSection, generator: torch.Generator) -> Tensor:
    blur, sharpen, where = torch.rand(3, generator=generator).tolist()
    picture = unit.unsqueeze(0)
    if blur < section.blur:
        sigma = BLUR_SIGMA[0] + where * (BLUR_SIGMA[1] - BLUR_SIGMA[0])
        picture = functional.gaussian_blur(picture, [BLUR_KERNEL] * 2, [sigma] * 2)
    if sharpen < section.sharpen:
        picture = functional.adjust_sharpness(picture, SHARPNESS)
    return picture.squeeze(0)


def _randaugment(units: Tensor, section: ChangeSection, generator: torch.Generator) -> Tensor:
    """Torchvision draws from the global generator: lend it ours for the while."""
    draw = v2.RandAugment(num_ops=section.randaugment, magnitude=section.magnitude)
    seed = int(torch.randint(2**31, (1,), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.stack([draw(unit.unsqueeze(0)).squeeze(0) for unit in units])
