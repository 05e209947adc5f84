"""Exact Grad-CAM inside one forward pass, so that an exported graph yields score and map together.

map = ReLU(sum_k w_k A_k) with w_k the spatial mean of d logit_c / d A_k (Selvaraju et al. 2017,
equations 1 and 2). The gradient is taken inside `forward`, which tracing turns into ordinary
operators. The map is neither normalised nor resized: it has the layer's own grid.
"""

import torch
from torch import Tensor, nn
from typing_extensions import override

from model.networks.pim import Pim

PREDICTED = -1
"""`target` value for "the class the network predicts"."""


class GradCam(nn.Module):
    """A PIM that answers with logits, the evidence for one class, and the gate.

    Parameters
    ----------
    network : Pim
        In evaluation mode.
    layer : str
        "level1" (stride 8) to "level4": a level of the feature pyramid.

    Raises
    ------
    ValueError
        The network has no such layer.
    """

    def __init__(self, network: Pim, layer: str) -> None:
        super().__init__()
        names = layer_names(network)
        if network.config.head == "pooled":
            names = [""] * (len(names) - 1) + names[-1:]  # only the last node answers
        if layer not in names:
            raise ValueError(f"no layer {layer!r} to look at; there are {', '.join(names)}")
        self.network = network
        self._index = names.index(layer)

    @property
    def watched(self) -> nn.Module:
        """The module whose output [batch, tokens, channels] is the activation."""
        return self.network.pyramid.levels[self._index]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the map."""
        return self.network.grids[self._index]

    @override
    def forward(self, image: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Answer for images and the class whose evidence is wanted.

        Parameters
        ----------
        image : Tensor [batch, 3, size, size], float32
        target : Tensor [batch], int64
            Class index; `PREDICTED` for the predicted class.

        Returns
        -------
        logits : Tensor [batch, classes]
        cam : Tensor [batch, rows, columns], >= 0
        gate : Tensor [batch]
        """
        levels, pooled = self.network.look(image)
        with torch.enable_grad():
            activation = levels[self._index].detach().requires_grad_(True)
            seen = [activation if i == self._index else level for i, level in enumerate(levels)]
            output = self.network.judge(seen, pooled)
            asked = _one_hot(output.logits, target)
            (gradient,) = torch.autograd.grad(output.logits, activation, asked)
        weight = gradient.mean(dim=1, keepdim=True)
        cam = torch.relu((weight * activation.detach()).sum(dim=2))
        gate = self.network.gate_logit(output)
        return output.logits.detach(), cam.reshape(-1, *self.grid), gate.detach()


def layer_names(network: Pim) -> list[str]:
    """Return the names of the layers a map can be taken from, the finest first."""
    return [f"level{number}" for number in range(1, len(network.grids) + 1)]


def _one_hot(logits: Tensor, target: Tensor) -> Tensor:
    chosen = torch.where(target < 0, logits.argmax(dim=-1), target)
    classes = torch.arange(logits.shape[-1], device=logits.device)
    return (classes.unsqueeze(0) == chosen.unsqueeze(1)).to(logits.dtype)
