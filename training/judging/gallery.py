"""Films that were judged wrong or barely, as small pictures.

A film is called by a hash of its content and the stem of its name, which nobody can guess back to a
name; names are shown only to those who ask for them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.findings import NO_FINDING
from model.gradcam import own_layer
from training.data.examples import Example
from training.data.films import Films, middle
from training.judging.assessment import Decided
from training.judging.boxes import Mapper, graph_maps, package_map
from training.judging.drawings import film_picture, map_picture, places_picture
from training.judging.subject import LandmarkSubject, Subject

_DIGITS = 12


@dataclass(frozen=True)
class FilmShown:
    """One film of a gallery: pictures as data URIs, and what is said below them."""

    pictures: tuple[str, ...]
    caption: str


def title_of(example: Example, names: bool) -> str:
    """Return what a film is called on a page."""
    if names:
        return example.path.name
    secret = f"{example.sha256}/{example.path.stem}"
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]


def wrong_and_uncertain(decided: Decided, column: int, count: int) -> dict[str, list[int]]:
    """Return the rows of false positives and negatives, surest first, and of the least certain."""
    truth, positive = decided.truth[:, column], decided.positive[:, column]
    margin = decided.margin[:, column]
    kinds = {
        "False positives, most confident first": (~truth & positive, -margin),
        "False negatives, most confident first": (truth & ~positive, -margin),
        "Least certain": (np.ones_like(truth), margin),
    }
    return {name: _first(rows, order, count) for name, (rows, order) in kinds.items()}


def show_films(
    subject: Subject,
    examples: Sequence[Example],
    decided: Decided,
    column: int,
    rows: Sequence[int],
    names: bool,
) -> list[FilmShown]:
    """Draw films and, beside each, the map of the evidence for one class."""
    draw = _mapper(subject, column)
    films = Films([examples[row] for row in rows], subject.geometry, subject.profile, keep=False)
    shown = []
    for number, row in enumerate(rows):
        unit = middle(films[number], subject.profile.size).numpy()
        heat = next(iter(draw(films.inputs([number])).values()))
        example = examples[row]
        caption = (
            f"{title_of(example, names)}: score {decided.scores[row, column]:.3f}; "
            f"truth: {', '.join(example.labels) or NO_FINDING}"
        )
        shown.append(FilmShown((film_picture(unit), map_picture(unit, heat)), caption))
    return shown


def show_places(
    subject: LandmarkSubject,
    examples: Sequence[Example],
    found: NDArray[np.float64],
    true: NDArray[np.float64],
    count: int,
    names: bool,
) -> list[FilmShown]:
    """Draw the films with the largest mean distance, the worst first."""
    distance = np.linalg.norm(found - true, axis=2).mean(axis=1)
    rows = _first(np.ones(len(distance), dtype=bool), -distance, count)
    films = Films([examples[row] for row in rows], "letterbox", subject.profile, keep=False)
    return [
        FilmShown(
            (places_picture(films[number].numpy(), true[row], found[row]),),
            f"{title_of(examples[row], names)}: mean distance {100 * distance[row]:.1f} %",
        )
        for number, row in enumerate(rows)
    ]


def _mapper(subject: Subject, column: int) -> Mapper:
    if subject.network is None:
        return package_map(subject.path, column)
    return graph_maps(subject.network, column, [own_layer(subject.network)])


def _first(chosen: NDArray[np.bool_], order: NDArray[np.float64], count: int) -> list[int]:
    ranked = np.argsort(order, kind="stable")
    return [int(row) for row in ranked if chosen[row]][:count]
