"""GRAZPEDWRI-DX as published: ``dataset.csv``, YOLO label files and pictures, anywhere below.

`training.curate` compares it with the published counts and draws the published selection.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from model.package import hash_file
from training.data.examples import PICTURES, DataError, Example

YOLO_NAMES = (
    "boneanomaly",
    "bonelesion",
    "foreignbody",
    "fracture",
    "metal",
    "periostealreaction",
    "pronatorsign",
    "softtissue",
    "text",
)
TEXT = "text"

_VIEWS = {"1": "PA", "2": "LAT", "3": "OBL"}


@dataclass(frozen=True)
class PublishedSet:
    """The data set on disk: table rows, label files and pictures, each by stem."""

    rows: dict[str, dict[str, str]]
    labels: dict[str, Path]
    pictures: dict[str, Path]


def read_table(path: Path) -> dict[str, dict[str, str]]:
    """Read dataset.csv (UTF-8, with or without a byte order mark) by file stem."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return {row["filestem"]: row for row in csv.DictReader(stream)}
    except (OSError, KeyError) as error:
        raise DataError(f"{path}: not the table of GRAZPEDWRI-DX ({error})") from error


def read_labels(path: Path) -> list[str]:
    """Return the class name of every box of a YOLO label file.

    Raises
    ------
    DataError
        A line is no box, or its class is not in the list.
    """
    names = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        first, *rest = line.split()
        if not first.isdecimal() or int(first) >= len(YOLO_NAMES) or not rest:
            raise DataError(f"{path.name}, line {number}: {line!r} is no box of a known class")
        names.append(YOLO_NAMES[int(first)])
    return names


def pathologies(names: Iterable[str]) -> tuple[str, ...]:
    """Return the findings among box names, sorted; ``text`` is none."""
    return tuple(sorted(set(names) - {TEXT}))


def read_source(folder: Path) -> PublishedSet:
    """Find table, labels and pictures below a folder."""
    tables = sorted(folder.rglob("dataset.csv"))
    if not tables:
        raise DataError(f"{folder}: there is no dataset.csv")
    rows = read_table(tables[0])
    labels = {p.stem: p for p in sorted(folder.rglob("*.txt")) if p.stem in rows}
    pictures = {
        p.stem: p
        for p in sorted(folder.rglob("*"))
        if p.suffix.lower() in PICTURES and p.stem in rows
    }
    if not labels or not pictures:
        raise DataError(f"{folder}: {len(labels)} label files and {len(pictures)} pictures found")
    return PublishedSet(rows, labels, pictures)


def read_films(source: PublishedSet) -> list[Example]:
    """Return every film of the table that has a picture, with its findings; no split yet.

    A film without a label file has no box.

    Raises
    ------
    DataError
        A label file has no picture.
    """
    orphans = sorted(set(source.labels) - set(source.pictures))
    if orphans:
        raise DataError(f"{len(orphans)} label files have no picture, the first is {orphans[0]}")
    films = []
    for stem, path in sorted(source.pictures.items()):
        boxes = read_labels(source.labels[stem]) if stem in source.labels else []
        films.append(_film(stem, path, source.rows[stem], pathologies(boxes)))
    return films


def _film(stem: str, path: Path, row: dict[str, str], labels: tuple[str, ...]) -> Example:
    return Example(
        path=path.resolve(),
        labels=labels,
        split="",
        patient=row["patient_id"],
        source=stem,
        sha256=hash_file(path),
        age=float(row["age"]) if row["age"] else None,
        sex=row["gender"],
        view=_VIEWS.get(row["projection"], ""),
        laterality=row["laterality"],
        device=row["device_manufacturer"],
        cast=row["cast"] or "0",
        metal=row["metal"] or "0",
    )
