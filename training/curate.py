"""Curate GRAZPEDWRI-DX: ``python -m training.curate SOURCE --out DIR [--profile product]``.

SOURCE is the data set as published: ``dataset.csv`` and, anywhere below, YOLO label files
(``{stem}.txt``) and pictures (``{stem}.png``). Profile "published" keeps films of a single
pathology of four classes and draws 600 fractures, as the wrist paper did; "product" keeps every
film with all its labels, "no finding" included. Either way patients are split first, and the
counts are compared with those of the published data: any difference ends the run with status 1.
"""

import argparse
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from training.data.examples import DataError, Example
from training.data.grazpedwri import read_films, read_source
from training.data.splits import counts, split_by_patient, write_split

KEPT = ("boneanomaly", "fracture", "metal", "softtissue")
FRACTURES_DRAWN = 600
SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}
SINGLE_PATHOLOGY = {
    "boneanomaly": (87, 52),
    "bonelesion": (21, 15),
    "fracture": (10026, 3319),
    "metal": (76, 36),
    "periostealreaction": (4, 4),
    "pronatorsign": (35, 34),
    "softtissue": (117, 114),
}
"""Films and patients with one pathology only, in the data as published."""


def single_pathology(films: Iterable[Example]) -> list[Example]:
    """Keep the films with exactly one finding."""
    return [film for film in films if len(film.labels) == 1]


def tally(films: Iterable[Example]) -> dict[str, tuple[int, int]]:
    """Count films and patients of each single finding."""
    patients: dict[str, set[str]] = defaultdict(set)
    number: Counter[str] = Counter()
    for film in films:
        number[film.labels[0]] += 1
        patients[film.labels[0]].add(film.patient)
    return {name: (number[name], len(patients[name])) for name in sorted(number)}


def insist(found: Mapping[str, tuple[int, int]], expected: Mapping[str, tuple[int, int]]) -> None:
    """Raise DataError that lists every count which is not as expected."""
    names = sorted({*found, *expected})
    wrong = [
        f"{name}: {found.get(name, (0, 0))} films and patients, expected {expected.get(name)}"
        for name in names
        if found.get(name) != expected.get(name)
    ]
    if wrong:
        raise DataError("the counts are not those of the published data: " + "; ".join(wrong))


def draw_published(films: Iterable[Example], seed: int = 42) -> list[Example]:
    """Keep four classes; of the fractures draw 600 at random, as published."""
    kept = [film for film in films if film.labels[0] in KEPT]
    fractures = [film for film in kept if film.labels == ("fracture",)]
    drawn = random.Random(seed).sample(fractures, min(FRACTURES_DRAWN, len(fractures)))
    return [film for film in kept if film.labels != ("fracture",)] + drawn


def main(arguments: Sequence[str]) -> int:
    """Curate, print the counts and write the split; status 1 where they are not as published."""
    parser = argparse.ArgumentParser(prog="training.curate", description=__doc__)
    parser.add_argument("source", type=Path, help="folder of GRAZPEDWRI-DX")
    parser.add_argument("--out", type=Path, required=True, help="folder for films.csv")
    parser.add_argument("--profile", choices=("published", "product"), default="published")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument(
        "--partial", action="store_true", help="SOURCE is only a part: print, do not compare"
    )
    options = parser.parse_args(arguments)
    try:
        path = curate(options)
    except DataError as error:
        print(f"training.curate: {error}", file=sys.stderr)
        return 1
    print(path)
    return 0


def curate(options: argparse.Namespace) -> Path:
    """Run the command; return the manifest's path."""
    films = read_films(read_source(options.source))
    single = single_pathology(films)
    found = tally(single)
    print(f"{len(films)} films of {len({f.patient for f in films})} patients")
    for name, (images, patients) in found.items():
        print(f"single pathology {name}: {images} films of {patients} patients")
    if not options.partial:
        insist(found, SINGLE_PATHOLOGY)
    kept = draw_published(single, options.seed) if options.profile == "published" else films
    dealt = split_by_patient(kept, SHARES, options.seed)
    for split, table in counts(dealt).items():
        print(f"{split}: " + ", ".join(f"{name} {count}" for name, count in table.items()))
    facts = {"source": "GRAZPEDWRI-DX", "profile": options.profile, "seed": options.seed}
    return write_split(options.out, dealt, facts | {"shares": SHARES})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
