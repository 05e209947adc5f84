"""Do maps point at what boxes show? The pointing game (Zhang et al. 2018), and the mass inside.

Two maps that know nothing are the yardstick: the middle of the picture, a quarter of its area, and
a flat one, whose share and chance of a hit are both the boxes' area.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.gradcam import GradCam, layer_names
from model.networks.classifier import Classifier
from model.networks.pim import Pim
from model.package import load_package
from model.pixels import PixelProfile
from training.data.examples import DataError, Example
from training.data.films import letterboxed, normaliser
from training.judging.metrics import interval, resample

CENTRE, FLAT, PACKAGE = "centre", "flat", "package"
Maps = Mapping[str, NDArray[np.float32]]
Mapper = Callable[[Tensor], Maps]
"""One image [1, 3, size, size] -> maps [rows, columns], by the names of their methods."""


def pixels_in_boxes(example: Example, rows: int, columns: int) -> NDArray[np.bool_]:
    """Return the pixels of the film that its boxes cover."""
    mask = np.zeros((rows, columns), dtype=bool)
    for x0, y0, x1, y1 in example.boxes:
        mask[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = True
    return mask


def mass_and_hit(heat: NDArray[np.float32], mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the share of a map's mass inside the mask, and 1 where its peak is inside."""
    whole = float(heat.sum())
    share = float(heat[mask].sum()) / whole if whole > 0 else 0.0
    return share, float(mask.flat[int(heat.argmax())])


def centre_map(rows: int, columns: int) -> NDArray[np.float32]:
    """Return a map of the middle half of either side; its peak is the very centre."""
    heat = np.zeros((rows, columns), dtype=np.float32)
    heat[rows // 4 : rows - rows // 4, columns // 4 : columns - columns // 4] = 1.0
    heat[rows // 2, columns // 2] += 1e-3
    return heat


def look(draw: Mapper, example: Example, profile: PixelProfile) -> dict[str, tuple[float, float]]:
    """Return mass and hit of every method for one film."""
    unit, placement = letterboxed(example, profile)
    mask = pixels_in_boxes(example, placement.rows, placement.columns)
    maps = draw(normaliser(profile)(torch.from_numpy(unit)[None]))
    found = {
        kind: mass_and_hit(placement.map_to_source(heat, profile.size), mask)
        for kind, heat in maps.items()
    }
    found[CENTRE] = mass_and_hit(centre_map(placement.rows, placement.columns), mask)
    found[FLAT] = (float(mask.mean()),) * 2
    return found


def compare(
    draw: Mapper, examples: Sequence[Example], profile: PixelProfile
) -> dict[str, dict[str, list[float]]]:
    """Return for every method [value, lower, upper] of mass and hits, clustered by patient.

    Films without boxes are left out.

    Raises
    ------
    DataError
        No film has a box.
    """
    boxed = [example for example in examples if example.boxes]
    if not boxed:
        raise DataError("none of the films has a box")
    seen = [look(draw, example, profile) for example in boxed]
    weights = resample([example.patient for example in boxed])
    table: dict[str, dict[str, list[float]]] = {}
    for kind in seen[0]:
        pairs = np.array([found[kind] for found in seen])
        means = weights @ pairs / weights.sum(axis=1, keepdims=True)
        table[kind] = {
            name: [round(value, 4) for value in interval(means[:, column])]
            for column, name in enumerate(("mass_in_boxes", "pointing_game"))
        }
    return {"films": {"count": [float(len(boxed))]}} | table


def package_map(folder: Path, target: int) -> Mapper:
    """Return what draws the map that a package's graph holds, under the name `PACKAGE`."""
    import onnxruntime

    graph = load_package(folder).graph
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])

    def draw(image: Tensor) -> Maps:
        inputs = {"image": image.numpy(), "target": np.array([target])}
        return {PACKAGE: np.asarray(session.run(["cam"], inputs)[0], np.float32)[0]}

    return draw


def graph_maps(
    network: Pim | Classifier, target: int, layers: Sequence[str] | None = None
) -> Mapper:
    """Return what draws the maps that the exported graph would hold: of every level, or layer."""
    names = [network.cam_layer] if isinstance(network, Classifier) else layer_names(network)
    if isinstance(network, Pim) and network.config.head == "pooled":
        names = names[-1:]
    names = names if layers is None else list(layers)
    cams = {name: GradCam(network, name) for name in names}
    device = next(network.parameters()).device

    def draw(image: Tensor) -> Maps:
        asked = torch.full((len(image),), target, device=device)
        return {n: cam(image.to(device), asked)[1][0].cpu().numpy() for n, cam in cams.items()}

    return draw
