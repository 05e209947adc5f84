"""Exact Grad-CAM inside one forward pass, so that an exported graph yields score and map together.

Grad-CAM: map = ReLU(sum_k w_k A_k) with w_k the spatial mean of d logit_c / d A_k (Selvaraju et al.
2017, equations 1 and 2). LayerCAM: map = ReLU(sum_k ReLU(d logit_c / d A_k) A_k), place by place
(Jiang et al. 2021, equation 5). The gradient is taken inside `forward`, which tracing turns into
ordinary operators. Maps are neither normalised nor resized: each has its layer's own grid.

Any network, any layer: the layer is named, its output may be channels first, channels last (Swin)
or tokens with or without a class token (`model.layers`).
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from typing_extensions import override

from model.layers import SpatialAxes, find_layer, measure_places, watch
from model.networks.classifier import Classifier
from model.networks.pim import Pim

PREDICTED = -1
"""`target` value for "the class the network predicts"."""

PYRAMID_LAYER = "level2"
"""Of a PIM: stride 16; finer ones are noisy, coarser ones miss small findings (docs/results.md)."""

Method = Literal["gradcam", "layercam"]


class GradCam(nn.Module):
    """A network that answers with logits, the evidence for one class, and its gate if it has one.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode; returns logits [batch, classes], or a PIM's output.
    layers : str or sequence of str
        Names of modules, or the end of a name that no other module has; "level1" (stride 8) to
        "level4" of a PIM are the levels of its feature pyramid.
    method : "gradcam" or "layercam"
    findings : sequence of int
        Classes whose maps are wanted in every call, beside that of the target.
    size : int, optional
        Side of the input, pixels; None: the network's own.

    Raises
    ------
    ValueError
        No such layer, it does not reach the logits, or its output is no picture.
    """

    def __init__(
        self,
        network: nn.Module,
        layers: str | Sequence[str],
        method: Method = "gradcam",
        findings: Sequence[int] = (),
        size: int | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.method = method
        self.findings = tuple(findings)
        self.layers = (layers,) if isinstance(layers, str) else tuple(layers)
        config: Any = network.config if size is None else None
        self.size: int = config.size if size is None else size
        self._names = [find_layer(network, _expand(network, name)) for name in self.layers]
        self.places: list[SpatialAxes] = measure_places(
            network, self._names, self.size, self._answer
        )

    @property
    def outputs(self) -> list[str]:
        """Names of what `forward` returns, in its order."""
        names = ["logits", "cam"]
        names += ["gate"] if isinstance(self.network, Pim) else []
        names += [f"cam_{number}" for number in range(2, len(self.layers) + 1)]
        return names + (["finding_cams"] if self.findings else [])

    @property
    def watched(self) -> list[nn.Module]:
        """The modules whose outputs are the activations."""
        return [self.network.get_submodule(name) for name in self._names]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the first map."""
        return self.places[0].rows, self.places[0].columns

    @override
    def forward(self, image: Tensor, target: Tensor) -> tuple[Tensor, ...]:
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
        gate : Tensor [batch]; only of a network that has one
        cam_2, ... : Tensor [batch, rows, columns] of each further layer
        finding_cams : Tensor [batch, findings, rows, columns] of the first layer; only if wanted
        """
        with watch(self.network, self._names) as activations:
            logits, gate = self._answer(image)
            chosen = torch.where(target < 0, logits.argmax(dim=-1), target)
            cams = self._maps(logits, chosen, activations)
            each = [
                self._maps(logits, torch.full_like(target, finding), activations[:1])[0]
                for finding in self.findings
            ]
        found = [torch.stack(each, dim=1)] if each else []
        gates = [] if gate is None else [gate.detach()]
        return (logits.detach(), cams[0], *gates, *cams[1:], *found)

    def _answer(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        output: Any = self.network(image)
        if isinstance(self.network, Pim):
            return output.logits, self.network.gate_logit(output)
        return output, None

    def _maps(self, logits: Tensor, chosen: Tensor, activations: list[Tensor]) -> list[Tensor]:
        classes = torch.arange(logits.shape[-1], device=logits.device)
        asked = (classes.unsqueeze(0) == chosen.unsqueeze(1)).to(logits.dtype)
        gradients = torch.autograd.grad(logits, activations, asked, retain_graph=True)
        return [
            form_map(place.picture(activation.detach()), place.picture(gradient), self.method)
            for place, activation, gradient in zip(
                self.places, activations, gradients, strict=False
            )
        ]


def form_map(activation: Tensor, gradient: Tensor, method: Method) -> Tensor:
    """Combine activation and gradient [batch, channels, rows, columns] to a map of each image."""
    if method == "layercam":
        return torch.relu((torch.relu(gradient) * activation).sum(dim=1))
    weight = gradient.mean(dim=(2, 3), keepdim=True)
    return torch.relu((weight * activation).sum(dim=1))


def layer_names(network: Pim) -> list[str]:
    """Return the pyramid levels of a PIM that a map can be taken from, the finest first."""
    return [f"level{number}" for number in range(1, len(network.grids) + 1)]


def own_layer(network: Pim | Classifier) -> str:
    """Return the layer that maps are taken from where none is named."""
    if isinstance(network, Classifier):
        return network.cam_layer
    return layer_names(network)[-1] if network.config.head == "pooled" else PYRAMID_LAYER


def _expand(network: nn.Module, name: str) -> str:
    if not isinstance(network, Pim) or not name.startswith("level"):
        return name
    names = layer_names(network)
    allowed = names[-1:] if network.config.head == "pooled" else names
    if name not in allowed:
        raise ValueError(f"no layer {name!r} to look at; there are {', '.join(allowed)}")
    return f"pyramid.levels.{names.index(name)}"
