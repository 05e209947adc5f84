"""The parts of a network from the input on, so that the first of them can be kept as they are."""

from collections.abc import Iterator

from torch import nn

_CONTAINERS = (nn.Sequential, nn.ModuleList)
_ENCODER = "encoder"  # torchvision's vision transformers keep their layers in it


def parts_of(network: nn.Module) -> Iterator[nn.Module]:
    """Yield the parts of a body in order: its children, with those of containers in their place.

    A part without parameters is left out. Parameters that belong to no part (a class token,
    embedded positions) are in none.
    """
    children = list(network.children())
    if len(children) == 1:  # a wrapper
        yield from parts_of(children[0])
        return
    for child in _opened(network):
        if next(child.parameters(), None) is not None:
            yield child


def _opened(network: nn.Module) -> Iterator[nn.Module]:
    for name, child in network.named_children():
        if name == _ENCODER:
            yield from _opened(child)
        elif isinstance(child, _CONTAINERS):
            yield from child.children()
        else:
            yield child
