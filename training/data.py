"""Films: the radiographs of a data root with label, region, group and boxes, and their pixels.

The data root holds ``fracatlas/manifest.csv`` (columns file, label, split, group, region,
hand_only, boxes, sha256, ...) and, for the body-part gate, ``chest_kermany/manifest.csv``.
`group` is the unit of splitting: neighbouring and near-identical films share one.
"""

import csv
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold

from model.pixels import PixelProfile, Placement, Radiograph, to_unit
from training.examples import DataError


class LeakError(DataError):
    """A group of films lies on both sides of a split."""


@dataclass(frozen=True)
class Film:
    """One radiograph on disk.

    Attributes
    ----------
    boxes : tuple of (x0, y0, x1, y1)
        Fractures, in pixels of the file; empty where none are drawn.
    """

    path: Path
    fractured: bool
    split: str
    group: str
    region: str
    hand_only: bool
    boxes: tuple[tuple[float, float, float, float], ...]
    sha256: str

    @property
    def shows_hand(self) -> bool:
        """True where a hand, wrist or forearm is in the picture, alone or not."""
        return "hand" in self.region


def read_fracatlas(root: Path) -> list[Film]:
    """Read the limb films of a data root."""
    folder = root / "fracatlas"
    return [
        Film(
            path=folder / row["file"],
            fractured=row["label"] == "fractured",
            split=row["split"],
            group=row["group"],
            region=row["region"],
            hand_only=row["hand_only"] == "1",
            boxes=_boxes(row["boxes"]),
            sha256=row["sha256"],
        )
        for row in _rows(folder / "manifest.csv")
    ]


def read_chests(root: Path) -> list[Film]:
    """Read the chest films of a data root; none where it holds no such folder."""
    folder = root / "chest_kermany"
    if not folder.exists():
        return []
    return [
        Film(
            path=folder / row["file"],
            fractured=False,
            split=row["split"],
            group=row["patient"],
            region="chest",
            hand_only=False,
            boxes=(),
            sha256=row["sha256"],
        )
        for row in _rows(folder / "manifest.csv")
    ]


def insist_on_chests(root: Path) -> None:
    """Raise DataError where there are no chest films of either side for the gate to learn from."""
    missing = {"train", "val"} - {film.split for film in read_chests(root)}
    if missing:
        sides = " and ".join(sorted(missing))
        raise DataError(f"{root / 'chest_kermany'}: no films of {sides} for the gate to refuse")


def split_films(
    films: Sequence[Film], fold: int | None, folds: int
) -> tuple[list[Film], list[Film]]:
    """Return (to train on, to judge by).

    With a fold, both are parts of the training groups and validation is not touched at all.

    Raises
    ------
    LeakError
        A group lies on both sides.
    """
    train = [film for film in films if film.split == "train"]
    held = [film for film in films if film.split == "val"]
    if fold is not None:
        labels = [film.fractured for film in train]
        groups = [film.group for film in train]
        cut = list(StratifiedGroupKFold(folds).split(labels, labels, groups))
        left, right = cut[fold]
        train, held = [train[i] for i in left], [train[i] for i in right]
    refuse_overlap(train, held)
    return train, held


def refuse_overlap(train: Iterable[Film], held: Iterable[Film]) -> None:
    """Raise LeakError when the two share a group or a file's content."""
    train, held = list(train), list(held)
    for what in ("group", "sha256"):
        shared = {getattr(film, what) for film in train} & {getattr(film, what) for film in held}
        if shared:
            raise LeakError(f"{len(shared)} {what} values lie on both sides of the split")


def data_hash(films: Iterable[Film]) -> str:
    """Sha256 over content, label, split and group of the films: names the data exactly."""
    lines = sorted(f"{f.sha256} {f.fractured:d} {f.split} {f.group} {f.region}" for f in films)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read_radiograph(path: Path) -> Radiograph:
    """Read a JPEG or PNG as greyscale; 16-bit pictures keep their depth."""
    with Image.open(path) as image:
        deep = image.mode.startswith("I")
        values = np.asarray(image if deep else image.convert("L"), dtype=np.float32)
    return Radiograph(values)


@dataclass(frozen=True, eq=False)
class Pictures:
    """Windowed, letterboxed films in memory.

    Attributes
    ----------
    units : float32 array, shape (films, size, size)
        In [0, 1].
    placements : list of Placement
    """

    units: NDArray[np.float32]
    placements: list[Placement]


def load_pictures(films: Iterable[Film], profile: PixelProfile) -> Pictures:
    """Read films through the pixel contract, up to (not including) normalisation."""
    units, placements = [], []
    for film in films:
        unit, placement = to_unit(read_radiograph(film.path), profile)
        units.append(unit)
        placements.append(placement)
    side = profile.size
    return Pictures(np.stack(units) if units else np.zeros((0, side, side), np.float32), placements)


def box_mask(film: Film, placement: Placement, size: int, cell: int) -> NDArray[np.float32]:
    """Draw the boxes on a grid of ``size // cell`` squares: the share of each cell they cover."""
    fine = np.zeros((size, size), dtype=np.float32)
    for x0, y0, x1, y1 in film.boxes:
        left, right = (x * placement.scale_x + placement.offset_x for x in (x0, x1))
        top, bottom = (y * placement.scale_y + placement.offset_y for y in (y0, y1))
        fine[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))] = 1.0
    side = size // cell
    shares: NDArray[np.float32] = fine.reshape(side, cell, side, cell).mean(axis=(1, 3))
    return shares


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return list(csv.DictReader(stream))


def _boxes(text: str) -> tuple[tuple[float, float, float, float], ...]:
    boxes = []
    for part in filter(None, text.split(";")):
        x0, y0, x1, y1 = map(float, part.split())
        boxes.append((x0, y0, x1, y1))
    return tuple(boxes)
