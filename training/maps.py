"""Heat maps of films: ``python -m training.maps CHECKPOINT IMAGE_OR_FOLDER --out DIR``.

Every method works on every network with classes, on any layer with rows and columns: ``graph`` is
the map that the exported package holds; gradcam, gradcam++, layercam, scorecam and eigencam are
pytorch-grad-cam's. ``legacy``, of a PIM only, is the wrist paper's activation map, which knows no
class: the channel sums of the backbone's four nodes, weighted 8:4:2:1 from fine to coarse, cut at
0.75. For every picture and method two files are written: ``{stem}_{method}_heat.png`` (grey) and
``{stem}_{method}_mix.png`` (picture and map by halves). See docs/training.md.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from model.gradcam import GradCam, own_layer
from model.networks.classifier import Classifier
from model.networks.pim import Pim
from model.networks.torchvision_operators import declare_operators
from training.data.examples import PICTURES, DataError, Example
from training.data.films import Films, middle
from training.judging.drawings import blend
from training.judging.subject import Subject, from_checkpoint

declare_operators()
from pytorch_grad_cam import (  # noqa: E402 - as above
    EigenCAM,
    GradCAM,
    GradCAMPlusPlus,
    LayerCAM,
    ScoreCAM,
)
from pytorch_grad_cam.base_cam import BaseCAM  # noqa: E402
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: E402

GRAPH, LEGACY = "graph", "legacy"
OUTSIDE: dict[str, type[BaseCAM]] = {
    "gradcam": GradCAM,
    "gradcam++": GradCAMPlusPlus,
    "layercam": LayerCAM,
    "scorecam": ScoreCAM,
    "eigencam": EigenCAM,
}
"""Methods of pytorch-grad-cam."""
METHODS = (GRAPH, *OUTSIDE, LEGACY)
LEGACY_WEIGHTS = (8 / 15, 4 / 15, 2 / 15, 1 / 15)
LEGACY_THRESHOLD = 0.75
_TINY = 1e-12

Make = Callable[[Tensor], Tensor]
"""Images [batch, 3, size, size] -> maps [batch, rows, columns] in [0, 1]."""


class PlainLogits(nn.Module):
    """A network that answers with its logits alone, whatever else it computes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @override
    def forward(self, image: Tensor) -> Tensor:
        """Return logits [batch, classes] of images [batch, 3, size, size]."""
        output: Any = self.network(image)
        logits: Tensor = output if isinstance(output, Tensor) else output.logits
        return logits


def map_methods(network: Pim | Classifier, target: int, layer: str = "") -> dict[str, Make]:
    """Return every method for one class, by its name.

    Parameters
    ----------
    network : Pim or Classifier
        In evaluation mode; its parameters may be frozen.
    target : int
        Class index.
    layer : str
        Name of a module, see `model.gradcam.GradCam`; "": `own_layer`.

    Raises
    ------
    ValueError
        There is no such layer, or it has no rows and columns.
    """
    cam = GradCam(network, layer or own_layer(network))

    def graph(image: Tensor) -> Tensor:
        return _scaled(cam(image, torch.full((len(image),), target, device=image.device))[1].cpu())

    methods: dict[str, Make] = {GRAPH: graph}
    for name, kind in OUTSIDE.items():
        methods[name] = _outside(kind, cam, target)
    if isinstance(network, Pim):
        methods[LEGACY] = lambda image: legacy_map(network, image)
    return methods


def _outside(kind: type[BaseCAM], cam: GradCam, target: int) -> Make:
    watched, shape = cam.watched[0], cam.places[0].picture

    def make(image: Tensor) -> Tensor:
        image = image.clone().requires_grad_(True)  # else no gradient flows with frozen parameters
        asked = [ClassifierOutputTarget(target)] * len(image)
        with kind(PlainLogits(cam.network), [watched], reshape_transform=shape) as outside:
            outside(image, asked)
            seen = outside.activations_and_grads
            gradients = [gradient.detach().cpu().numpy() for gradient in seen.gradients]
            maps = outside.get_cam_image(
                image,
                watched,
                asked,
                seen.activations[0].detach().cpu().numpy(),
                gradients[0] if gradients else None,
                eigen_smooth=False,
            )
        return _scaled(torch.from_numpy(np.maximum(maps, 0).astype(np.float32)))

    return make


@torch.no_grad()
def legacy_map(network: Pim, image: Tensor, threshold: float = LEGACY_THRESHOLD) -> Tensor:
    """Return the wrist paper's activation maps [batch, size, size] in [0, 1], without a class."""
    size = image.shape[-1]
    total = torch.zeros(len(image), size, size, device=image.device)
    for node, weight in zip(network.backbone(image), LEGACY_WEIGHTS, strict=True):
        grid = _scaled(torch.relu(node).sum(dim=-1))
        larger = functional.interpolate(grid.unsqueeze(1), size=(size, size), mode="bilinear")
        total += weight * larger.squeeze(1)
    scaled = _scaled(total)
    return torch.where(scaled < threshold, torch.zeros_like(scaled), scaled).cpu()


def write_maps(subject: Subject, path: Path, out: Path, methods: dict[str, Make]) -> None:
    """Write the files of one picture."""
    example = Example(path, (), "", path.stem, path.stem, "")
    films = Films([example], subject.geometry, subject.profile, keep=True)
    image = films.inputs([0])
    if subject.network is not None:
        image = image.to(next(subject.network.parameters()).device)
    unit = middle(films[0], subject.profile.size).numpy()
    side = (subject.profile.size,) * 2
    for name, make in methods.items():
        heat = make(image)[0].numpy()
        grey = Image.fromarray(np.round(255 * heat).astype(np.uint8))
        stem = f"{path.stem}_{name}"
        grey.resize(side, Image.Resampling.BILINEAR).save(out / f"{stem}_heat.png")
        blend(unit, heat).save(out / f"{stem}_mix.png")


def main(arguments: Sequence[str]) -> int:
    """Write the maps of one picture or of every picture in a folder."""
    parser = argparse.ArgumentParser(prog="training.maps", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("image", type=Path, help="picture or folder of pictures")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--method", nargs="+", choices=METHODS, default=list(METHODS), help="all without it"
    )
    parser.add_argument("--layer", default="", help="layer to look at; '': the network's own")
    parser.add_argument("--target", help="class; the last one without it")
    options = parser.parse_args(arguments)
    try:
        count = write_all(options)
    except (DataError, ValueError, OSError) as error:
        print(f"training.maps: {error}", file=sys.stderr)
        return 2
    print(f"{count} pictures -> {options.out}")
    return 0


def write_all(options: argparse.Namespace) -> int:
    """Write the maps of every picture asked for; return how many there are."""
    subject = from_checkpoint(options.checkpoint)
    target = options.target or subject.classes[-1]
    if target not in subject.classes:
        raise DataError(f"--target: there are {', '.join(subject.classes)}")
    found = sorted(options.image.iterdir()) if options.image.is_dir() else [options.image]
    pictures = [path for path in found if path.suffix.lower() in PICTURES]
    if not pictures:
        raise DataError(f"{options.image}: there are no pictures")
    assert subject.network is not None
    methods = map_methods(subject.network, subject.classes.index(target), options.layer)
    options.out.mkdir(parents=True, exist_ok=True)
    for path in pictures:
        asked = {name: make for name, make in methods.items() if name in options.method}
        write_maps(subject, path, options.out, asked)
    return len(pictures)


def _scaled(maps: Tensor) -> Tensor:
    """Stretch each map to [0, 1]; a flat map becomes 0."""
    low, high = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp(min=_TINY)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
