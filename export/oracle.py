"""pytorch-grad-cam's maps before it resizes and normalises them: the gate's oracle."""

from importlib.metadata import version

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from model.gradcam import GradCam
from model.networks.pim import Pim
from model.networks.torchvision_operators import declare_operators

declare_operators()
from pytorch_grad_cam import GradCAM, LayerCAM  # noqa: E402 - needs the operators declared
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: E402

ORACLE = f"pytorch-grad-cam {version('grad-cam')}"

_METHODS = {"gradcam": GradCAM, "layercam": LayerCAM}


class _LogitsOnly(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @override
    def forward(self, image: Tensor) -> Tensor:
        output = self.network(image)
        logits: Tensor = output.logits if isinstance(self.network, Pim) else output
        return logits


def oracle_maps(
    cam: GradCam, image: NDArray[np.float32], targets: NDArray[np.int64], layer: int = 0
) -> NDArray[np.float32]:
    """Return the maps [batch, rows, columns] of one of the layers.

    Parameters
    ----------
    cam : GradCam
        Names network, layers and method; nothing of its arithmetic is used.
    image : array [batch, 3, size, size]
    targets : array [batch]
        A class for each image.
    layer : int
        Which of the layers.
    """
    pixels = torch.from_numpy(image).requires_grad_(True)  # the parameters are frozen
    watched = cam.watched[layer]
    network = _LogitsOnly(cam.network)
    outside = _METHODS[cam.method](network, [watched], reshape_transform=cam.places[layer].picture)
    with outside:
        outside.activations_and_grads(pixels)
        outside(pixels, [ClassifierOutputTarget(int(target)) for target in targets])
        activation = outside.activations_and_grads.activations[0].detach().numpy()
        gradient = outside.activations_and_grads.gradients[0].detach().numpy()
        weighted = outside.get_cam_image(
            pixels, watched, [], activation, gradient, eigen_smooth=False
        )
    maps: NDArray[np.float32] = np.maximum(weighted, 0).astype(np.float32)
    return maps
