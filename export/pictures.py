"""Network inputs that a graph is tried on: drawn smooth ones, adversarial ones, real films."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.package import golden_input
from model.pixels import PixelProfile, Radiograph, normalise, prepare

Images = NDArray[np.float32]
_BATCH = 4
_TILE = 32
"""The coarsest stride of the networks here: equal tiles of it are equal tokens."""


class FilmsError(Exception):
    """The films cannot be read; the message says which and why."""


@dataclass(frozen=True)
class LabelledFilm:
    """One real film with what is known of it.

    Attributes
    ----------
    labels : tuple of str
        Findings in it; empty for none.
    group : str
        The unit of the bootstrap: patient, or films that belong together.
    """

    path: Path
    labels: tuple[str, ...]
    split: str
    group: str


def drawn(profile: PixelProfile) -> Iterator[Images]:
    """Yield batches [n, 3, size, size]: a smooth picture, four more, then noise."""
    golden = golden_input(profile.size)
    yield golden
    turned = [np.rot90(golden, turn, axes=(2, 3)) for turn in range(1, _BATCH)]
    yield np.ascontiguousarray(np.concatenate([0.5 * golden[:, :, ::-1], *turned]))
    noise = np.random.default_rng(0).random((profile.size, profile.size), np.float32)
    yield normalise(noise, profile)[None]


def tied(profile: PixelProfile) -> Images:
    """Return the adversarial pictures as one batch [n, 3, size, size]."""
    return np.stack([normalise(unit, profile) for unit in adversarial(profile.size).values()])


def adversarial(size: int) -> dict[str, NDArray[np.float32]]:
    """Return pictures [size, size] in [0, 1] whose tokens are alike.

    Constant ones and repeated tiles make tokens of equal confidence, ties for any top-k; where one
    lies at the kink of a ReLU, all of them do.
    """
    half = np.zeros((size, size), np.float32)
    half[:, size // 2 :] = 1
    tile = np.random.default_rng(0).random((_TILE, _TILE), np.float32)
    count = -(-size // _TILE)
    return {
        "black": np.zeros((size, size), np.float32),
        "saturated": np.ones((size, size), np.float32),
        "grey": np.full((size, size), 0.5, np.float32),
        "edge": half,
        "tiles": np.tile(tile, (count, count))[:size, :size],
    }


def read_films(
    table: Path, where: Mapping[str, str] | None = None, rename: Mapping[str, str] | None = None
) -> list[LabelledFilm]:
    """Read a CSV table with the columns file (relative to it) and label or labels.

    Columns split, and group or patient, are read where they are there; labels are separated by
    ``;``, may be renamed, and those renamed to nothing are no finding.

    Raises
    ------
    FilmsError
        There is no such table, or it lacks a column, or no row is left.
    """
    where, rename = where or {}, rename or {}
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            rows = [row for row in csv.DictReader(stream) if where.items() <= row.items()]
        films = [_film(table.parent, row, rename) for row in rows]
    except OSError as error:
        raise FilmsError(f"{table}: {error.strerror}") from error
    except KeyError as error:
        raise FilmsError(f"{table}: there is no column {error}") from error
    if not films:
        raise FilmsError(f"{table}: no film is left")
    return films


def load_film(film: LabelledFilm, profile: PixelProfile) -> Images:
    """Read a film through the pixel contract: [1, 3, size, size].

    Raises
    ------
    FilmsError
        It cannot be read, or shows nothing.
    """
    try:
        with Image.open(film.path) as image:
            deep = image.mode.startswith("I")
            values = np.asarray(image if deep else image.convert("L"), dtype=np.float32)
        return prepare(Radiograph(values), profile)[0][None]
    except (OSError, ValueError, SyntaxError) as error:  # SyntaxError: Pillow on a broken PNG
        raise FilmsError(f"{film.path}: {error}") from error


def of_split(films: Sequence[LabelledFilm], split: str) -> list[LabelledFilm]:
    """Return the films of one split; all of them where none has a split."""
    return [film for film in films if film.split in ("", split)]


def _film(folder: Path, row: Mapping[str, str], rename: Mapping[str, str]) -> LabelledFilm:
    words = (row["labels"] if "labels" in row else row["label"]).split(";")
    labels = tuple(filter(None, (rename.get(word, word) for word in words)))
    group = row.get("group") or row.get("patient") or row["file"]
    return LabelledFilm(folder / row["file"], labels, row.get("split", ""), group)
