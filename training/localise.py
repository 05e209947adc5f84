"""Whether maps point at fractures: ``python -m training.localise CHECKPOINT data.root=FOLDER``.

Pointing game (Zhang et al. 2018): the share of fractured films whose map has its highest cell
inside a fracture box; beside it the share that a point at random inside the picture would reach.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from model import checkpoint
from model.gradcam import GradCam, layer_names
from model.networks.pim import Pim
from model.pixels import PixelProfile, Placement
from training.data import Film, load_pictures, read_fracatlas
from training.geometry import normaliser

FRACTURE = 1
_BATCH = 16


def inside_box(cam: NDArray[np.float32], film: Film, placement: Placement, size: int) -> bool:
    """Return whether the centre of the map's highest cell lies in a box of the film."""
    row, column = np.unravel_index(int(cam.argmax()), cam.shape)
    centre = np.array([[(column + 0.5) / cam.shape[1], (row + 0.5) / cam.shape[0]]]) * size
    x, y = placement.to_source(centre)[0]
    return any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in film.boxes)


def box_share(film: Film, placement: Placement) -> float:
    """Return the part of the picture that boxes cover: what pointing at random reaches."""
    covered = np.zeros((placement.rows, placement.columns), dtype=bool)
    for x0, y0, x1, y1 in film.boxes:
        covered[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = True
    return float(covered.mean())


def pointing_game(network: Pim, films: Sequence[Film], profile: PixelProfile) -> dict[str, float]:
    """Return the share of hits for each layer, and ``chance``; films without boxes are left out."""
    films = [film for film in films if film.boxes]
    cams = {name: GradCam(network, name) for name in layer_names(network)}
    hits: dict[str, list[bool]] = {name: [] for name in cams}
    chance: list[float] = []
    for start in range(0, len(films), _BATCH):
        part = films[start : start + _BATCH]
        pictures = load_pictures(part, profile)
        units = torch.from_numpy(pictures.units)
        image = normaliser(profile)(units)
        target = torch.full((len(part),), FRACTURE)
        for name, found in hits.items():
            maps = cams[name](image, target)[1].numpy()
            found += [
                inside_box(cam, film, place, profile.size)
                for cam, film, place in zip(maps, part, pictures.placements, strict=True)
            ]
        chance += [box_share(f, p) for f, p in zip(part, pictures.placements, strict=True)]
    shares = {name: float(np.mean(found)) for name, found in hits.items()}
    return {"films": float(len(films)), "chance": float(np.mean(chance)), **shares}


def main(arguments: Sequence[str]) -> int:
    """Print the pointing game of a checkpoint on the validation hands as JSON."""
    parser = argparse.ArgumentParser(prog="training.localise", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("root", help="data.root=FOLDER")
    options = parser.parse_args(arguments)
    stored = checkpoint.load(options.checkpoint)
    films = read_fracatlas(Path(options.root.removeprefix("data.root=")))
    hands = [film for film in films if film.split == "val" and film.hand_only]
    network = stored.build_pim().requires_grad_(False)
    json.dump(pointing_game(network, hands, stored.profile()), sys.stdout, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
