"""A stem for grey pictures: the first convolution reads one channel instead of three equal ones."""

from typing import cast

import torch
from torch import Tensor, nn
from typing_extensions import override

_COLOURS = 3


class GreyConv(nn.Conv2d):
    """A convolution of the first channel of its input; the others, equal to it, are not read."""

    @override
    def forward(self, image: Tensor) -> Tensor:
        """Return features of an image [batch, any, rows, columns]."""
        return super().forward(image[:, :1])


def make_grey(network: nn.Module) -> None:
    """Replace the first convolution by one of a single channel, its weights summed; in place.

    Raises
    ------
    ValueError
        The first convolution is of a kind of its own, or does not read three channels.
    """
    name, first = next((n, m) for n, m in network.named_modules() if isinstance(m, nn.Conv2d))
    if type(first) is not nn.Conv2d or first.in_channels != _COLOURS:
        raise ValueError(f"grey: the first convolution, {name}, cannot be made grey")
    grey = GreyConv(
        1,
        first.out_channels,
        cast("tuple[int, int]", first.kernel_size),
        cast("tuple[int, int]", first.stride),
        cast("tuple[int, int]", first.padding),
        bias=first.bias is not None,
    )
    with torch.no_grad():
        grey.weight.copy_(summed(first.weight))
        if grey.bias is not None and first.bias is not None:
            grey.bias.copy_(first.bias)
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, grey)


def summed(weight: Tensor) -> Tensor:
    """Return colour weights [out, 3, rows, columns] for one grey channel: equal on grey input."""
    return weight.sum(dim=1, keepdim=True)
