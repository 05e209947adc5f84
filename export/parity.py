"""The parity gate: an exported graph must answer as PyTorch does, with pytorch-grad-cam's maps.

Maps are compared as fractions of their own largest value. The pictures are smooth and made here,
so that the gate needs no data.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from typing_extensions import override

from model.gradcam import GradCam
from model.networks.pim import Pim
from model.networks.torchvision_operators import declare_operators
from model.package import golden_input

declare_operators()
from pytorch_grad_cam import GradCAM  # noqa: E402 - needs the operators declared
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: E402

LIMITS = {"logits": 1e-3, "gate": 1e-3, "cam": 1e-4, "cam_oracle": 1e-4}
_BATCH = 4


class ParityError(Exception):
    """The graph does not answer as PyTorch does; no package is written."""


class _LogitsOnly(torch.nn.Module):
    def __init__(self, network: Pim) -> None:
        super().__init__()
        self.network = network

    @override
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(image).logits
        return logits


def oracle_maps(cam: GradCam, image: torch.Tensor, target: int) -> NDArray[np.float32]:
    """Return pytorch-grad-cam's map [batch, rows, columns] before it resizes and normalises it."""
    rows, columns = cam.grid

    def as_picture(tokens: torch.Tensor) -> torch.Tensor:
        return tokens.transpose(1, 2).reshape(len(tokens), -1, rows, columns)

    image = image.clone().requires_grad_(True)  # the parameters are frozen
    outside = GradCAM(_LogitsOnly(cam.network), [cam.watched], reshape_transform=as_picture)
    with outside:
        outside.activations_and_grads(image)  # registers activation and gradient
        outside(image, [ClassifierOutputTarget(target)] * len(image))
        activation = outside.activations_and_grads.activations[0].detach().numpy()
        gradient = outside.activations_and_grads.gradients[0].detach().numpy()
        weighted = outside.get_cam_image(
            image, cam.watched, [], activation, gradient, eigen_smooth=False
        )
    maps: NDArray[np.float32] = np.maximum(weighted, 0).astype(np.float32)
    return maps


def measure(cam: GradCam, graph: Path, size: int) -> dict[str, float]:
    """Return the largest differences between graph, PyTorch and pytorch-grad-cam.

    Keys: ``logits``, ``gate``, ``cam`` (graph to PyTorch), ``cam_oracle`` (graph to
    pytorch-grad-cam).
    """
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    worst = dict.fromkeys(LIMITS, 0.0)
    classes = len(cam.network.config.classes)
    for image in _pictures(size):
        for target in range(classes):
            asked = np.full(len(image), target, dtype=np.int64)
            ours = session.run(None, {"image": image, "target": asked})
            theirs = [t.numpy() for t in cam(torch.from_numpy(image), torch.from_numpy(asked))]
            maps = oracle_maps(cam, torch.from_numpy(image), target)
            differences = {
                "logits": np.abs(ours[0] - theirs[0]).max(),
                "cam": np.abs(_scaled(ours[1]) - _scaled(theirs[1])).max(),
                "gate": np.abs(ours[2] - theirs[2]).max(),
                "cam_oracle": np.abs(_scaled(ours[1]) - _scaled(maps)).max(),
            }
            worst = {name: max(worst[name], float(d)) for name, d in differences.items()}
    return worst


def insist(differences: dict[str, float]) -> None:
    """Raise ParityError where a difference exceeds its limit."""
    excess = [
        f"{name} differs by {differences[name]:.2e}, allowed {limit:.0e}"
        for name, limit in LIMITS.items()
        if not differences[name] <= limit
    ]
    if excess:
        raise ParityError("; ".join(excess))


def _pictures(size: int) -> Iterator[NDArray[np.float32]]:
    """Yield a single picture, then a batch of others."""
    golden = golden_input(size)
    yield golden
    turned = [np.rot90(golden, turn, axes=(2, 3)) for turn in range(1, _BATCH)]
    yield np.ascontiguousarray(np.concatenate([0.5 * golden[:, :, ::-1], *turned]))


def _scaled(cams: NDArray[np.float32]) -> NDArray[np.float32]:
    largest = cams.max(axis=(1, 2), keepdims=True)
    return np.asarray(cams / np.where(largest > 0, largest, 1.0), dtype=np.float32)
