"""Examples: films with labels, patient and circumstances, from a CSV manifest or image folders.

A manifest is a CSV file with the columns file (relative to it), labels (separated by ``;``, empty
for none), split and patient; every other column of `Example` is read where it is there, and the
rest is kept as it stands, for conditions and auxiliary heads. Folders
follow the published layout ``{train,val,test,test2}/{class}/{stem}.png``, where a class folder is
an index of the class list or a class name, and ``{stem}-{k}.png`` is a copy of film ``{stem}``.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import cast

from model.findings import NO_FINDING
from model.package import hash_file

DICOM = ".dcm"
PICTURES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", DICOM}
"""Suffixes of films in folders."""
STRATA = ("view", "age_band", "sex", "laterality", "device", "cast", "metal")
_ALIASES = {"label": "labels", "group": "patient", "patient_id": "patient"}
_AGE_LIMITS = ((3, "0-2"), (7, "3-6"), (11, "7-10"), (15, "11-14"), (18, "15-17"))
_STEM = re.compile(r"(\d{4})_(\d{10})_(\d{2})_WRI-([LR])([123])_([MFO])(\d{3})(-\d+)?")
_VIEWS = {"1": "PA", "2": "LAT", "3": "OBL"}


Box = tuple[float, float, float, float]
Point = tuple[float, float]


class DataError(Exception):
    """The data is not fit to train or judge on; the message says which part and what to do."""


@dataclass(frozen=True)
class Example:
    """One film on disk.

    Attributes
    ----------
    labels : tuple of str
        Findings in the film; empty for none.
    patient : str
        The unit of splitting and of the bootstrap.
    source : str
        The film that this file is a copy of; its own stem where it is no copy.
    age : float or None
        Years.
    boxes : tuple of (x0, y0, x1, y1)
        In pixels of the file; empty where none are drawn.
    landmarks : tuple of (x, y)
        In pixels of the file, in the order of the recipe's landmarks.
    columns : mapping
        The whole row of the manifest.
    """

    path: Path
    labels: tuple[str, ...]
    split: str
    patient: str
    source: str
    sha256: str
    age: float | None = None
    sex: str = ""
    view: str = ""
    laterality: str = ""
    device: str = ""
    cast: str = ""
    metal: str = ""
    boxes: tuple[Box, ...] = ()
    landmarks: tuple[Point, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def age_band(self) -> str:
        """Years of age as a range; empty when unknown."""
        if self.age is None:
            return ""
        return next((name for limit, name in _AGE_LIMITS if self.age < limit), "18+")


COLUMNS = ("file", *(f.name for f in fields(Example) if f.name not in ("path", "columns")))
"""Of a manifest that is written; `Example.columns` may hold more."""


def meets(example: Example, where: Mapping[str, str]) -> bool:
    """Return whether a film has the given value in each column; "labels" are joined by ``;``."""
    return all(column(example, name) == value for name, value in where.items())


def column(example: Example, name: str) -> str:
    """Return the value of one column of a film; empty where it has none."""
    if name == "labels":
        return ";".join(example.labels)
    return example.columns.get(name) or str(getattr(example, name, ""))


def read_manifest(
    path: Path, rename: Mapping[str, str] | None = None, where: Mapping[str, str] | None = None
) -> list[Example]:
    """Read a CSV manifest.

    Parameters
    ----------
    path : Path
    rename : mapping
        Labels of the file to names of findings; "no_finding" for none.
    where : mapping
        Columns and the value that rows must have there to be read.

    Raises
    ------
    DataError
        A column or file is missing, or no row is left.
    """
    rows = _rows(path)
    kept = [row for row in rows if all(row.get(k) == v for k, v in (where or {}).items())]
    if not kept:
        raise DataError(f"{path}: no film is left of {len(rows)} rows (where: {where or {}})")
    lost = [row["file"] for row in kept if not (path.parent / row["file"]).is_file()]
    if lost:
        raise DataError(f"{path}: {len(lost)} files do not exist, the first is {lost[0]}")
    return [_example(path.parent, row, rename or {}) for row in kept]


def read_folders(root: Path, classes: Sequence[str]) -> list[Example]:
    """Read the published layout; `classes` in the order of the folder indices.

    Raises
    ------
    DataError
        No split folder, a folder of no class, or a class folder without pictures.
    """
    splits = [name for name in ("train", "val", "test", "test2") if (root / name).is_dir()]
    if not splits:
        raise DataError(f"{root}: there is no folder train, val, test or test2")
    examples: list[Example] = []
    for split in splits:
        named = {_class_of(folder, classes): folder for folder in _folders(root / split)}
        for name in classes:
            films = _pictures(named[name]) if name in named else []
            if not films:
                raise DataError(f"{root / split}: there are no pictures of class {name!r}")
            examples += [_from_name(film, name, split) for film in films]
    return examples


def refuse_unknown_labels(
    examples: Iterable[Example], classes: Sequence[str], single: bool
) -> None:
    """Raise DataError where a label is not a class, or (single) a film has not exactly one."""
    known = set(classes) - {NO_FINDING}
    for example in examples:
        strange = set(example.labels) - known
        if strange:
            raise DataError(f"{example.path}: label {strange.pop()!r} is not one of {classes}")
        count = len(example.labels) or int(NO_FINDING in classes)
        if single and count != 1:
            raise DataError(f"{example.path}: {count} labels, and this recipe needs exactly one")


def refuse_empty_classes(examples: Iterable[Example], classes: Sequence[str], what: str) -> None:
    """Raise DataError where a class has no film at all."""
    found: set[str] = set()
    for example in examples:
        found |= set(example.labels) or {NO_FINDING}
    empty = [name for name in classes if name not in found]
    if empty:
        raise DataError(f"{what}: there is no film of {', '.join(empty)}")


def refuse_contradictions(examples: Iterable[Example]) -> None:
    """Raise DataError where the same content has different labels."""
    found = contradictions(examples)
    if found:
        first, second = found[0]
        raise DataError(
            f"{len(found)} films have the content of another and different labels, the first is "
            f"{second.path}, as {first.path}: correct the labels, or leave one out"
        )


def contradictions(examples: Iterable[Example]) -> list[tuple[Example, Example]]:
    """Return pairs of films with the same content and different labels."""
    seen: dict[str, Example] = {}
    pairs = ((seen.setdefault(example.sha256, example), example) for example in examples)
    return [(first, second) for first, second in pairs if first.labels != second.labels]


def facts_of(stem: str) -> dict[str, str]:
    """Return what a GRAZPEDWRI-DX file name says: patient, source, side, view, sex, whole years."""
    match = _STEM.fullmatch(stem)
    if match is None:
        return {}
    return {
        "patient": str(int(match[1])),
        "source": stem.removesuffix(match[8] or ""),
        "laterality": match[4],
        "view": _VIEWS[match[5]],
        "sex": match[6],
        "age": str(int(match[7])),
    }


def _numbers(row: Mapping[str, str], name: str, count: int) -> tuple[tuple[float, ...], ...]:
    """Read ``1 2;3 4`` as groups of `count` numbers."""
    groups = []
    for part in filter(None, row.get(name, "").split(";")):
        try:
            numbers = tuple(float(word) for word in part.split())
        except ValueError:
            numbers = ()
        if len(numbers) != count:
            raise DataError(f"{row['file']}: {name}: {part!r} is not {count} numbers")
        groups.append(numbers)
    return tuple(groups)


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    rows = [{_ALIASES.get(key, key): value or "" for key, value in row.items()} for row in rows]
    missing = {"file", "labels", "split", "patient"} - set(rows[0] if rows else ())
    if missing:
        raise DataError(f"{path}: columns are missing: {', '.join(sorted(missing))}")
    return rows


def _example(folder: Path, row: dict[str, str], rename: Mapping[str, str]) -> Example:
    path = folder / row["file"]
    named = [rename.get(name, name) for name in row["labels"].split(";") if name]
    plain = {
        name: row.get(name, "") for name in ("sex", "view", "laterality", "device", "cast", "metal")
    }
    return Example(
        path=path,
        labels=tuple(sorted({name for name in named if name != NO_FINDING})),
        split=row["split"],
        patient=row["patient"],
        source=row.get("source") or path.stem,
        sha256=row.get("sha256") or hash_file(path),
        age=_age(row),
        boxes=cast("tuple[Box, ...]", _numbers(row, "boxes", 4)),
        landmarks=cast("tuple[Point, ...]", _numbers(row, "landmarks", 2)),
        columns=row,
        **plain,
    )


def _age(row: Mapping[str, str]) -> float | None:
    try:
        return float(row["age"]) if row.get("age") else None
    except ValueError as error:
        raise DataError(f"{row['file']}: age {row['age']!r} is no number of years") from error


def _folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _pictures(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURES)


def _class_of(folder: Path, classes: Sequence[str]) -> str:
    if folder.name in classes:
        return folder.name
    if folder.name.isdecimal() and int(folder.name) < len(classes):
        return classes[int(folder.name)]
    raise DataError(f"{folder}: no class of {', '.join(classes)}, and no index of one")


def _from_name(path: Path, name: str, split: str) -> Example:
    facts = facts_of(path.stem)
    age = facts.get("age")
    return Example(
        path=path,
        labels=() if name == NO_FINDING else (name,),
        split=split,
        patient=facts.get("patient", path.stem),
        source=facts.get("source", path.stem),
        sha256=hash_file(path),
        age=float(age) if age else None,
        sex=facts.get("sex", ""),
        view=facts.get("view", ""),
        laterality=facts.get("laterality", ""),
    )
