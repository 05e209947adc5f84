"""Published data sets as they lie on disk, read as films: one reader for each layout.

=============  ==========================================  =========================
layout         files                                       patient
=============  ==========================================  =========================
fracatlas      dataset.csv, images/{Fractured,...}/*.jpg   every film its own
kermany        {train,val,test}/{NORMAL,PNEUMONIA}/*.jpeg  by the film's name
mura           {train,valid}/XR_*/patient*/study*/*.png    by the folder
grazpedwri     dataset.csv, *.txt, *.png                   by the table
=============  ==========================================  =========================
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from model.findings import NO_FINDING
from model.package import hash_file
from training.data.examples import (
    PICTURES,
    DataError,
    Example,
    meets,
    read_folders,
    read_manifest,
)
from training.data.grazpedwri import read_films, read_source

_REGIONS = ("hand", "leg", "hip", "shoulder")
_VIEWS = ("frontal", "lateral", "oblique")
_FRACATLAS = {"image_id", "fractured", "hardware", "multiscan", *_REGIONS, *_VIEWS}
_NORMAL = re.compile(r"((?:NORMAL2-)?IM-\d+)-\d+(-\d+)?")
_PNEUMONIA = re.compile(r"(person\d+)_(bacteria|virus)_\d+")
_MURA = {"train": "train", "valid": "val"}
_STUDY = re.compile(r"(study\d+)_(positive|negative)")


def read_fracatlas(root: Path) -> list[Example]:
    """Read FracAtlas; it has neither splits nor patients.

    Raises
    ------
    DataError
        There is no table of it, or the table names films that are not there.
    """
    pictures = {path.name: path for path in _pictures(root)}
    rows = _table(root)
    lost = [row["image_id"] for row in rows if row["image_id"] not in pictures]
    if lost:
        raise DataError(f"{root}: {len(lost)} films of dataset.csv are not there, as {lost[0]}")
    return [_of_fracatlas(pictures[row["image_id"]], row) for row in rows]


def read_kermany(root: Path) -> list[Example]:
    """Read the chest films of Kermany et al.; column cause tells bacteria from virus.

    The splits are the published ones, in which patients may lie on both sides.

    Raises
    ------
    DataError
        A film is not named as published.
    """
    films = []
    for split in ("train", "val", "test"):
        for label, pattern in (("", _NORMAL), ("pneumonia", _PNEUMONIA)):
            for path in _pictures(root / split / (label or "normal").upper()):
                found = pattern.fullmatch(path.stem)
                if found is None:
                    raise DataError(f"{path}: is not named as the published films are")
                cause = {"cause": found[2]} if label else {}
                films.append(_example(path, label, split, found[1], cause))
    return films


def read_mura(root: Path) -> list[Example]:
    """Read MURA: a study's films are all positive or all negative; column region is the limb's.

    Raises
    ------
    DataError
        A study is not named as published.
    """
    films = []
    for folder, split in _MURA.items():
        for path in _pictures(root / folder):
            region, patient, study = path.parts[-4:-1]
            found = _STUDY.fullmatch(study)
            if found is None:
                raise DataError(f"{path}: does not lie in a folder study1_positive or _negative")
            columns = {"region": region.removeprefix("XR_").lower(), "study": found[1]}
            label = "abnormality" if found[2] == "positive" else ""
            films.append(_example(path, label, split, patient, columns))
    return films


def read_grazpedwri(root: Path) -> list[Example]:
    """Read GRAZPEDWRI-DX with all findings; it has no splits."""
    return read_films(read_source(root))


READERS: Mapping[str, Callable[[Path], list[Example]]] = {
    "fracatlas": read_fracatlas,
    "kermany": read_kermany,
    "mura": read_mura,
    "grazpedwri": read_grazpedwri,
}
LAYOUTS = ("manifest", "folders", *READERS)


def read_set(
    source: Path,
    layout: str | None = None,
    classes: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
    where: Mapping[str, str] | None = None,
) -> list[Example]:
    """Read a data set of any layout, whatever is wrong with its splits.

    Parameters
    ----------
    source : Path
        A manifest, or the folder of a layout.
    layout : str, optional
        One of `LAYOUTS`; None: a manifest where `source` is a file, else class folders.
    classes : sequence of str
        Of class folders, in the order of their indices; none: the names of the folders.
    rename, where : mapping
        As for `training.data.examples.read_manifest`.

    Raises
    ------
    DataError
        It is nothing of that layout, or no film is left.
    """
    layout = layout or ("folders" if source.is_dir() else "manifest")
    if layout == "manifest":
        return read_manifest(source, rename, where)
    if layout == "folders":
        films = read_folders(source, classes or _class_folders(source))
    else:
        films = READERS[layout](source)
    kept = [_renamed(film, rename or {}) for film in films if meets(film, where or {})]
    if not kept:
        raise DataError(f"{source}: no film of layout {layout} (where: {dict(where or {})})")
    return kept


def _class_folders(root: Path) -> list[str]:
    names = sorted({path.name for path in root.glob("*/*/") if not path.name.startswith(".")})
    if any(name.isdecimal() for name in names):
        raise DataError(f"{root}: class folders are numbered: give their names with --classes")
    return names


def _renamed(film: Example, rename: Mapping[str, str]) -> Example:
    named = {rename.get(label, label) for label in film.labels}
    return replace(film, labels=tuple(sorted(named - {NO_FINDING})))


def _pictures(folder: Path) -> Iterator[Path]:
    """Yield the pictures below a folder in order, without what desktops hide there."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICTURES and not path.name.startswith("."):
            yield path


def _table(root: Path) -> list[dict[str, str]]:
    try:
        with (root / "dataset.csv").open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{root}: dataset.csv cannot be read ({error})") from error
    missing = _FRACATLAS - set(rows[0] if rows else ())
    if missing:
        raise DataError(f"{root}: dataset.csv has no column {', '.join(sorted(missing))}")
    return rows


def _of_fracatlas(path: Path, row: Mapping[str, str]) -> Example:
    columns = {
        "region": "+".join(name for name in _REGIONS if row[name] == "1"),
        "views": "+".join(name for name in _VIEWS if row[name] == "1"),
        "hardware": row["hardware"],
        "multiscan": row["multiscan"],
    }
    return _example(path, "fracture" if row["fractured"] == "1" else "", "", path.stem, columns)


def _example(
    path: Path, label: str, split: str, patient: str, columns: Mapping[str, str]
) -> Example:
    return Example(
        path=path,
        labels=(label,) if label else (),
        split=split,
        patient=patient,
        source="/".join((patient, *columns.values(), path.stem)),
        sha256=hash_file(path),
        columns=columns,
    )
