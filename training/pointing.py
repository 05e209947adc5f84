"""Do maps point at fractures? ``python -m training.pointing SUBJECT --manifest films.csv``.

For films with boxes, by every method of `training.heat` (of a package, by its own map): the share
of the map's mass inside the boxes, and the pointing game (Zhang et al. 2018), how often the map
peaks inside a box. Beside them two maps that know nothing: the middle of the picture, a quarter of
its area, and a flat one, whose share and chance of a hit are both the boxes' area. Letterbox only.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.gradcam import layer_names
from model.package import load_package
from model.pixels import PixelProfile, normalise, to_unit
from training.data import read_radiograph
from training.examples import DataError, Example
from training.heat import LEGACY, LEVEL, METHODS, class_map, legacy_map
from training.metrics import interval, resample
from training.splits import read_split
from training.subject import Subject, load_subject

PACKAGE, CENTRE, FLAT = "package", "centre", "flat"
Found = dict[str, tuple[float, float]]
Maps = dict[str, NDArray[np.float32]]
Mapper = Callable[[Tensor], Maps]


def box_mask(example: Example, rows: int, columns: int) -> NDArray[np.bool_]:
    """Return the pixels of the film that its boxes cover."""
    mask = np.zeros((rows, columns), dtype=bool)
    for box in filter(None, example.boxes.split(";")):
        x0, y0, x1, y1 = map(float, box.split())
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


def mapper(subject: Subject, target: int, level: str) -> Mapper:
    """Return what draws every map of one image [1, 3, size, size], by the name of its method."""
    network = subject.network
    if network is None:
        return _package_map(subject.path, target)

    def draw(image: Tensor) -> Maps:
        maps = {kind: class_map(network, image, target, kind, level) for kind in METHODS}
        maps[LEGACY] = legacy_map(network, image)
        return {kind: heat[0].numpy().astype(np.float32) for kind, heat in maps.items()}

    return draw


def _package_map(folder: Path, target: int) -> Mapper:
    import onnxruntime

    graph = load_package(folder).graph
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])

    def draw(image: Tensor) -> Maps:
        inputs = {"image": image.numpy(), "target": np.array([target])}
        return {PACKAGE: np.asarray(session.run(["cam"], inputs)[0], np.float32)[0]}

    return draw


def look(draw: Mapper, example: Example, profile: PixelProfile) -> Found:
    """Return mass and hit of every method for one film."""
    unit, placement = to_unit(read_radiograph(example.path), profile)
    mask = box_mask(example, placement.rows, placement.columns)
    maps = draw(torch.from_numpy(normalise(unit, profile))[None])
    found = {
        kind: mass_and_hit(placement.map_to_source(heat, profile.size), mask)
        for kind, heat in maps.items()
    }
    found[CENTRE] = mass_and_hit(centre_map(placement.rows, placement.columns), mask)
    found[FLAT] = (float(mask.mean()),) * 2
    return found


def compare(
    subject: Subject, examples: Sequence[Example], finding: str, level: str
) -> dict[str, dict[str, list[float]]]:
    """Return for every method [value, lower, upper] of mass and hits, clustered by patient."""
    boxed = [example for example in examples if example.boxes]
    if not boxed:
        raise DataError("none of the films has a box")
    target = subject.classes.index(finding)
    draw = mapper(subject, target, level)
    seen = [look(draw, example, subject.profile) for example in boxed]
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


def main(arguments: Sequence[str]) -> int:
    """Print the comparison as JSON."""
    parser = argparse.ArgumentParser(prog="training.pointing", description=__doc__)
    parser.add_argument("subject", type=Path, help="checkpoint file or model package folder")
    parser.add_argument("--manifest", type=Path, required=True, help="CSV with a column boxes")
    parser.add_argument("--split", default="val")
    parser.add_argument("--rename", action="append", default=[], metavar="LABEL=FINDING")
    parser.add_argument("--where", action="append", default=[], metavar="COLUMN=VALUE")
    parser.add_argument("--finding", default="fracture")
    parser.add_argument("--level", default=LEVEL)
    options = parser.parse_args(arguments)
    rename, where = (dict(w.split("=", 1) for w in x) for x in (options.rename, options.where))
    try:
        subject = load_subject(options.subject)
        _insist(subject, options)
        films = [e for e in read_split(options.manifest, rename, where) if e.split == options.split]
        print(json.dumps(compare(subject, films, options.finding, options.level), indent=2))
    except DataError as error:
        print(f"training.pointing: {error}", file=sys.stderr)
        return 2
    return 0


def _insist(subject: Subject, options: argparse.Namespace) -> None:
    if subject.geometry != "letterbox":
        raise DataError("boxes can be followed through the letterbox only")
    if options.finding not in subject.classes:
        raise DataError(f"there is no finding {options.finding!r}")
    if subject.network is not None and options.level not in layer_names(subject.network):
        raise DataError(f"there is no {options.level!r}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
