"""Initial weights of a backbone from a state dict on disk, whatever its layers are called.

Files from different libraries name the same layers differently but list them in the same order,
so tensors are matched by order and shape, and every backbone tensor must find its partner. For a
grey stem the weights of a colour stem are summed.
"""

from pathlib import Path

from torch import Tensor, nn

from model.networks.files import read_torch
from model.networks.grey_stem import summed

_BOOKKEEPING = "num_batches_tracked"


def load_backbone(backbone: nn.Module, path: Path) -> None:
    """Copy weights into a backbone; tensors left over at the end (a classifier) are ignored.

    Raises
    ------
    ValueError
        The file is damaged, or its tensors do not have the backbone's shapes in the backbone's
        order.
    """
    stored = read_torch(path)
    theirs = [tensor for name, tensor in stored.items() if not name.endswith(_BOOKKEEPING)]
    ours = {k: v for k, v in backbone.state_dict().items() if not k.endswith(_BOOKKEEPING)}
    if len(theirs) < len(ours):
        raise ValueError(f"{path.name}: {len(theirs)} tensors, the backbone has {len(ours)}")
    matched = {
        name: summed(tensor) if _only_colours_differ(tensor, ours[name]) else tensor
        for name, tensor in zip(ours, theirs, strict=False)
    }
    for name, tensor in matched.items():
        if tensor.shape != ours[name].shape:
            raise ValueError(
                f"{path.name}: {name} has shape {tuple(ours[name].shape)}, the file offers "
                f"{tuple(tensor.shape)} in its place; these are weights of another network"
            )
    backbone.load_state_dict(matched, strict=False)


def _only_colours_differ(theirs: Tensor, ours: Tensor) -> bool:
    return theirs.shape[1:2] == (3,) and ours.shape[1:2] == (1,)
