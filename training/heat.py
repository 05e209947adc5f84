"""Heat maps of films: ``python -m training.heat CHECKPOINT IMAGE_OR_FOLDER --out DIR``.

Methods gradcam, gradcam++ and layercam are pytorch-grad-cam's, class-specific, on one level of the
pyramid. ``legacy`` is the wrist paper's activation map, which knows no class: the channel sums of
the backbone's four nodes, weighted 8:4:2:1 from fine to coarse, cut at 0.75. For every picture two
files are written: ``{stem}_heat.png`` (grey) and ``{stem}_mix.png`` (picture and map by halves).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from model.gradcam import layer_names
from model.networks.pim import Pim
from model.networks.torchvision_operators import declare_operators
from training.examples import PICTURES, DataError, Example
from training.geometry import Films, middle, normaliser
from training.subject import Subject, from_checkpoint

declare_operators()
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, LayerCAM  # noqa: E402 - as above
from pytorch_grad_cam.base_cam import BaseCAM  # noqa: E402
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: E402

LEGACY = "legacy"
METHODS: dict[str, type[BaseCAM]] = {
    "gradcam": GradCAM,
    "gradcam++": GradCAMPlusPlus,
    "layercam": LayerCAM,
}
LEGACY_WEIGHTS = (8 / 15, 4 / 15, 2 / 15, 1 / 15)
LEGACY_THRESHOLD = 0.75
LEVEL = "level2"
_TINY = 1e-12


class _LogitsOnly(nn.Module):
    def __init__(self, network: Pim) -> None:
        super().__init__()
        self.network = network

    @override
    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.network(image).logits
        return logits


def class_map(network: Pim, image: Tensor, target: int, method: str, level: str) -> Tensor:
    """Return maps [batch, rows, columns] in [0, 1] for one class, on the grid of a level.

    Parameters
    ----------
    network : Pim
        In evaluation mode; its parameters may be frozen.
    image : Tensor [batch, 3, size, size]
    target : int
        Class index.
    method : str
        One of `METHODS`.
    level : str
        "level1" (finest) to "level4".
    """
    watched = network.pyramid.levels[layer_names(network).index(level)]
    rows, columns = network.grids[layer_names(network).index(level)]

    def as_picture(tokens: Tensor) -> Tensor:
        return tokens.transpose(1, 2).reshape(len(tokens), -1, rows, columns)

    image = image.clone().requires_grad_(True)  # else no gradient flows with frozen parameters
    with METHODS[method](_LogitsOnly(network), [watched], reshape_transform=as_picture) as cam:
        cam(image, [ClassifierOutputTarget(target)] * len(image))
        seen = cam.activations_and_grads
        maps = cam.get_cam_image(
            image,
            watched,
            [ClassifierOutputTarget(target)] * len(image),
            seen.activations[0].detach().cpu().numpy(),
            seen.gradients[0].detach().cpu().numpy(),
            eigen_smooth=False,
        )
    return _scaled(torch.from_numpy(np.maximum(maps, 0).astype(np.float32)))


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


def maps_of(subject: Subject, films: Films, target: int, method: str, level: str) -> Tensor:
    """Return the maps of films by any method; see `class_map` and `legacy_map`."""
    if subject.network is None:
        raise DataError("maps need a checkpoint; a package's own map comes with its answer")
    units = torch.stack([films[row] for row in range(len(films))])
    image = normaliser(films.profile)(middle(units, films.profile.size))
    image = image.to(next(subject.network.parameters()).device)
    if method == LEGACY:
        return legacy_map(subject.network, image)
    return class_map(subject.network, image, target, method, level)


def blend(unit: NDArray[np.float32], heat: NDArray[np.float32]) -> Image.Image:
    """Return half the picture and, in red, half the map: RGB of the picture's size."""
    side = unit.shape[0]
    larger = np.asarray(Image.fromarray(heat).resize((side, side), Image.Resampling.BILINEAR))
    picture = np.repeat(unit[..., None], 3, axis=2) * 0.5
    picture[..., 0] += 0.5 * np.clip(larger, 0, 1)
    return Image.fromarray(np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8))


def write_maps(subject: Subject, path: Path, options: argparse.Namespace) -> None:
    """Write the two files of one picture."""
    example = Example(path, (), "", path.stem, path.stem, "")
    films = Films([example], subject.geometry, subject.profile, keep=True)
    target = subject.classes.index(options.target or subject.classes[-1])
    heat = maps_of(subject, films, target, options.method, options.level)[0].numpy()
    unit = middle(films[0], subject.profile.size).numpy()
    grey = Image.fromarray(np.round(255 * heat).astype(np.uint8))
    side = (subject.profile.size,) * 2
    grey.resize(side, Image.Resampling.BILINEAR).save(options.out / f"{path.stem}_heat.png")
    blend(unit, heat).save(options.out / f"{path.stem}_mix.png")


def main(arguments: Sequence[str]) -> int:
    """Write the maps of one picture or of every picture in a folder."""
    parser = argparse.ArgumentParser(prog="training.heat", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("image", type=Path, help="picture or folder of pictures")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--method", choices=[*METHODS, LEGACY], default="gradcam")
    parser.add_argument("--level", default=LEVEL, help="level1 (finest) to level4")
    parser.add_argument("--target", help="class; the last one without it")
    options = parser.parse_args(arguments)
    try:
        count = write_all(options)
    except (DataError, ValueError, OSError) as error:
        print(f"training.heat: {error}", file=sys.stderr)
        return 2
    print(f"{count} pictures -> {options.out}")
    return 0


def write_all(options: argparse.Namespace) -> int:
    """Write the maps of every picture asked for; return how many there are."""
    subject = from_checkpoint(options.checkpoint)
    if options.target is not None and options.target not in subject.classes:
        raise DataError(f"--target: there are {', '.join(subject.classes)}")
    found = sorted(options.image.iterdir()) if options.image.is_dir() else [options.image]
    pictures = [path for path in found if path.suffix.lower() in PICTURES]
    if not pictures:
        raise DataError(f"{options.image}: there are no pictures")
    options.out.mkdir(parents=True, exist_ok=True)
    for path in pictures:
        write_maps(subject, path, options)
    return len(pictures)


def _scaled(maps: Tensor) -> Tensor:
    """Stretch each map to [0, 1]; a flat map becomes 0."""
    low, high = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp(min=_TINY)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
