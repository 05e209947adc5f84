"""Everything that may be wrong with a data set, in lines for people."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from model.findings import FINDINGS
from model.package import hash_file
from training.data.alike import alike, fingerprint
from training.data.examples import DataError, Example, contradictions
from training.data.splits import KINDS, shared


def problems(films: Sequence[Example]) -> Iterator[str]:
    """Yield one line for each problem; reads every film once.

    Files that cannot be read or are not those of the manifest, labels that are no findings,
    contents with different labels, patients, sources and contents in several splits, and films of
    different splits that look alike.
    """
    yield from _strange_labels(films)
    for first, second in contradictions(films):
        yield f"{second.path}: has the content of {first.path} and other labels"
    for kind in KINDS:
        yield from _shared(films, kind)
    prints: list[tuple[Example, NDArray[np.float32]]] = []
    for film in films:
        try:
            prints.append((film, fingerprint(film.path)))
        except DataError as error:
            yield str(error)
            continue
        if hash_file(film.path) != film.sha256:
            yield f"{film.path}: is not the file that the manifest names by its sha256"
    yield from _alike(prints)


def _strange_labels(films: Sequence[Example]) -> Iterator[str]:
    found: dict[str, list[Example]] = {}
    for film in films:
        for label in film.labels:
            if label not in FINDINGS:
                found.setdefault(label, []).append(film)
    for label, those in sorted(found.items()):
        yield f"label {label!r} of {len(those)} films is no finding; --rename {label}=FINDING"


def _shared(films: Sequence[Example], kind: str) -> Iterator[str]:
    """Name films, not the patients they are of."""
    first: dict[str, Example] = {}
    values = shared(films, kind)
    for film in films:
        value = getattr(film, kind)
        other = first.setdefault(value, film)
        if value in values and film.split != other.split:
            values.discard(value)
            what = {"sha256": "content"}.get(kind, kind)
            yield f"{film.path} ({film.split}) and {other.path} ({other.split}): the same {what}"


def _alike(prints: Sequence[tuple[Example, NDArray[np.float32]]]) -> Iterator[str]:
    films = [film for film, _ in prints]
    for left, right in alike([one for _, one in prints], [film.split for film in films]):
        one, other = films[left], films[right]
        if one.sha256 != other.sha256:
            yield f"{one.path} ({one.split}) and {other.path} ({other.split}): look alike"
