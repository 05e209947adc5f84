"""Small films on disk for tests of training: three kinds that a tiny network can tell apart."""

from pathlib import Path

import numpy as np
from PIL import Image

KINDS = ("no_finding", "fracture", "metal")
SIDE = (80, 60)


def draw(kind: str, seed: int) -> Image.Image:
    """Draw a 16-bit film: noise, with a bar for a fracture and a bright spot for metal."""
    values = np.random.default_rng(seed).integers(0, 3000, SIDE).astype(np.uint16)
    if kind == "fracture":
        values[20:40, 10:50] += 30000
    if kind == "metal":
        values[50:70, 20:30] += 60000
    return Image.fromarray(values)


def write_films(root: Path, train: int = 24, val: int = 12) -> Path:
    """Write films of one patient each and their manifest; return the manifest's path."""
    root.mkdir(parents=True, exist_ok=True)
    rows = ["file,labels,split,patient,age,sex,view"]
    for number in range(train + val):
        kind = KINDS[number % 3]
        draw(kind, number).save(root / f"{number}.png")
        split = "train" if number < train else "val"
        rows.append(f"{number}.png,{kind},{split},p{number},{4 + number % 9},{'MF'[number % 2]},PA")
    path = root / "films.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def recipe_tree(root: Path, **changes: object) -> dict[str, object]:
    """Return a recipe of two short epochs on such films; `changes` by dotted keys with ``__``."""
    tree: dict[str, object] = {
        "name": "tiny",
        "out": str(root / "out"),
        "threads": 1,
        "classes": list(KINDS),
        "data": {"manifest": str(root / "films.csv")},
        "network": {
            "backbone": "test_resnet",
            "size": 64,
            "width": 16,
            "upsampling": "bilinear",
        },
        "losses": {"dropped": 0.2},
        "optimiser": {"name": "adamw", "lr": 1e-3, "epochs": 2, "batch": 6, "warmup": 2},
        "watch": {"track": []},
    }
    for key, value in changes.items():
        place: dict[str, object] = tree
        *sections, last = key.split("__")
        for section in sections:
            place = place.setdefault(section, {})  # type: ignore[assignment]
        place[last] = value
    return tree
