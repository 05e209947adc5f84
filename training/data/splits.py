"""Splits: patients to one side only, classes in like shares, written down with hashes.

``films.csv`` is the manifest; ``films.json`` beside it holds the sha256 of the manifest and of
the data, seed, shares and counts. A manifest that was changed by hand no longer matches and is
refused, and so is any split in which a patient, a source film or a file's content occurs twice.
"""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from model.findings import NO_FINDING
from model.package import hash_file
from training.data.examples import COLUMNS, DataError, Example, read_manifest

MANIFEST = "films.csv"
_NUMBERS = ("boxes", "landmarks")
KINDS = ("patient", "source", "sha256")
"""What may not lie in two splits."""
_PARTS = 10
"""Patients are dealt to this many equal parts; a share of the films is a number of parts."""


class OverlapError(DataError):
    """Something of one patient or film lies in two splits."""


def overlaps(examples: Iterable[Example]) -> dict[str, int]:
    """Count patients, source films and contents that occur in more than one split, by kind."""
    examples = list(examples)
    found = {kind: len(shared(examples, kind)) for kind in KINDS}
    return {kind: count for kind, count in found.items() if count}


def shared(examples: Iterable[Example], kind: str) -> set[str]:
    """Return the values of one of `KINDS` that occur in more than one split."""
    sides: dict[str, set[str]] = {}
    for example in examples:
        sides.setdefault(example.split, set()).add(getattr(example, kind))
    return {value for left, right in combinations(sides.values(), 2) for value in left & right}


def refuse_overlap(examples: Iterable[Example]) -> None:
    """Raise OverlapError where `overlaps` finds any."""
    found = overlaps(examples)
    if found:
        counts = ", ".join(f"{count} {kind} values" for kind, count in found.items())
        raise OverlapError(
            f"{counts} lie in more than one split: figures would be too good; "
            "split by patient (python -m training.data convert)"
        )


def split_by_patient(
    examples: Sequence[Example], shares: Mapping[str, float], seed: int
) -> list[Example]:
    """Deal whole patients to splits so that every class has about its share in each.

    Parameters
    ----------
    examples : sequence of Example
    shares : mapping of split name to share of the films, in sum 1
        Steps of 1/10.
    seed : int
    """
    parts = [round(share * _PARTS) for share in shares.values()]
    exact = np.allclose(parts, np.multiply(list(shares.values()), _PARTS))
    if not exact or sum(parts) != _PARTS or min(parts) < 1:
        raise DataError(f"shares {dict(shares)}: give steps of 1/{_PARTS} that sum to 1")
    owners = [name for name, count in zip(shares, parts, strict=True) for _ in range(count)]
    dealt = list(examples)
    if len({example.patient for example in dealt}) < _PARTS:
        raise DataError(f"there are less than {_PARTS} patients: too few to deal to splits")
    folds = StratifiedGroupKFold(_PARTS, shuffle=True, random_state=seed)
    for part, (_, rows) in enumerate(folds.split(dealt, *_strata(dealt))):
        for row in rows:
            dealt[row] = replace(dealt[row], split=owners[part])
    refuse_overlap(dealt)
    return dealt


def folds_by_patient(
    examples: Sequence[Example], count: int, seed: int
) -> list[tuple[list[Example], list[Example]]]:
    """Return (train, val) of each of `count` folds; whole patients on one side."""
    cut = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    folds = []
    for left, right in cut.split(list(examples), *_strata(examples)):
        train = [replace(examples[i], split="train") for i in left]
        held = [replace(examples[i], split="val") for i in right]
        refuse_overlap([*train, *held])
        folds.append((train, held))
    return folds


def data_hash(examples: Iterable[Example]) -> str:
    """Sha256 over content, labels, split and patient: names the data exactly, in any order."""
    lines = sorted(f"{e.sha256} {';'.join(e.labels)} {e.split} {e.patient}" for e in examples)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def counts(examples: Iterable[Example]) -> dict[str, dict[str, int]]:
    """Count films of each class in each split."""
    table: dict[str, Counter[str]] = {}
    for example in examples:
        table.setdefault(example.split, Counter()).update(example.labels or (NO_FINDING,))
    return {split: dict(sorted(found.items())) for split, found in sorted(table.items())}


def write_split(folder: Path, examples: Sequence[Example], facts: Mapping[str, Any]) -> Path:
    """Write manifest and its JSON into a folder; return the manifest's path."""
    path = folder / MANIFEST
    record_split(path, examples, facts)
    return path


def record_split(path: Path, examples: Sequence[Example], facts: Mapping[str, Any]) -> None:
    """Write a manifest, and beside it the JSON by which a later change of it is seen."""
    refuse_overlap(examples)
    write_manifest(path, examples)
    document = {
        **facts,
        "manifest_sha256": hash_file(path),
        "data_sha256": data_hash(examples),
        "films": counts(examples),
        "patients": len({example.patient for example in examples}),
    }
    write_whole(path.with_suffix(".json"), json.dumps(document, indent=2) + "\n")


def write_manifest(path: Path, examples: Sequence[Example]) -> None:
    """Write examples as a manifest whose files are relative to it where they lie below it."""
    further = sorted({name for example in examples for name in example.columns} - {*COLUMNS})
    folder, text = path.parent.absolute(), io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*COLUMNS, *further])
    for example in examples:
        file = example.path.absolute()
        if file.is_relative_to(folder):
            file = file.relative_to(folder)
        cells = [_cell(example, name) for name in COLUMNS[1:]]
        writer.writerow([file, *cells, *(example.columns.get(name, "") for name in further)])
    write_whole(path, text.getvalue())


def write_whole(path: Path, text: str) -> None:
    """Write a text file, or nothing: who is interrupted leaves what was there.

    Raises
    ------
    DataError
        It cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise DataError(f"{path}: cannot be written ({error.strerror})") from error


def read_split(
    path: Path,
    rename: Mapping[str, str] | None = None,
    where: Mapping[str, str] | None = None,
    declared: bool = False,
) -> list[Example]:
    """Read a manifest and refuse it where it is not what it was, or splits overlap.

    Parameters
    ----------
    path : Path
    rename, where : mapping
        As for `read_manifest`.
    declared : bool
        True lets overlaps pass; whoever asks for that reports them.
    """
    record = path.with_suffix(".json")
    if record.is_file():
        expected = json.loads(record.read_text(encoding="utf-8")).get("manifest_sha256")
        if expected and expected != hash_file(path):
            raise DataError(f"{path}: changed since the split was made ({record.name}); make anew")
    examples = read_manifest(path, rename, where)
    if not declared:
        refuse_overlap(examples)
    return examples


def _cell(example: Example, name: str) -> str:
    value = getattr(example, name)
    if name in _NUMBERS:
        return ";".join(" ".join(format(number, "g") for number in numbers) for numbers in value)
    if name == "labels":
        return ";".join(value)
    return "" if value is None else str(value)


def _strata(examples: Sequence[Example]) -> tuple[list[str], list[str]]:
    """Return the rarest label of each film, as what to balance, and its patient."""
    frequency = Counter(label for example in examples for label in example.labels)
    rarest = [
        min(example.labels, key=frequency.__getitem__) if example.labels else NO_FINDING
        for example in examples
    ]
    return rarest, [example.patient for example in examples]
