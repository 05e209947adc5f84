"""Images a second of a training step: ours against one written the way of the seed.

``python -m tests.benchmarks.training [--quick]``

The seed's way: every film is decoded with OpenCV in each epoch, the selector loops over the images
of a batch, plain float32, no channels_last. Ours is `training.train`. Same network and sizes, same
films, same process, in turns, so that a busy machine slows both. Loading is timed alone as well,
from kept pictures and from files: it must not be what the step waits for.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from typing_extensions import override

from model.networks.pim import Pim, PimConfig, PimOutput
from model.networks.selector import Selection
from tests.support.films import KINDS
from training.data import draw
from training.data.films import Films, normaliser
from training.data.supply import prepare, read_examples
from training.recipe import Recipe
from training.run import losses
from training.run.ranks import join
from training.run.start import Run, start
from training.train import Truth, batch_loss

FILM = (1000, 700)


class LoopingPim(Pim):
    """The same network with the seed's selector: one image after the other, sorted whole."""

    @override
    def judge(
        self, levels: list[Tensor], pooled: Tensor, metadata: Tensor | None = None
    ) -> PimOutput:
        token_logits = [c(level) for c, level in zip(self.classifiers, levels, strict=True)]
        selections = []
        for level, logits, keep in zip(levels, token_logits, self.selects, strict=True):
            features, places = [], []
            for image in range(len(level)):
                surest, _ = torch.softmax(logits[image], dim=-1).max(dim=-1)
                _, ranks = torch.sort(surest, descending=True)
                features.append(level[image][ranks[:keep]])
                places.append(ranks[:keep])
            selections.append(Selection(torch.stack(features), torch.stack(places)))
        combined = self.combiner(torch.cat([kept.features for kept in selections], dim=1))
        return PimOutput(combined, combined, token_logits, selections, levels, pooled)


def write_set(root: Path, count: int) -> None:
    """Write films of a usual size."""
    rows = ["file,labels,split,patient"]
    rng = np.random.default_rng(0)
    for number in range(count):
        values = rng.integers(0, 60000, FILM).astype(np.uint16)
        Image.fromarray(values).save(root / f"{number}.png")
        split = "train" if number < count - len(KINDS) else "val"
        rows.append(f"{number}.png,{KINDS[number % len(KINDS)]},{split},p{number}")
    (root / "films.csv").write_text("\n".join(rows) + "\n")


def recipe_of(root: Path, backbone: str, size: int, batch: int) -> Recipe:
    """Return the recipe both ways share: the published losses and changes."""
    tree = {
        "name": "benchmark",
        "out": str(root / "out"),
        "classes": list(KINDS),
        "data": {"manifest": str(root / "films.csv"), "geometry": "legacy_510_384"},
        "network": {
            "backbone": backbone,
            "size": size,
            "width": 512,
            "upsampling": "bilinear",
        },
        "optimiser": {"batch": batch, "accumulate": 1, "warmup": 0, "epochs": 1},
        "watch": {"track": []},
    }
    return Recipe.check(tree, "benchmark")


def seed_step(run: Run, paths: Sequence[Path]) -> Callable[[], None]:
    """Return the seed's step over the films of one batch: decode, change, learn."""
    recipe = run.recipe
    config = recipe.configuration()
    assert isinstance(config, PimConfig)
    network = LoopingPim(config)
    network.load_state_dict(run.learner.network.state_dict())
    network.train().to(run.ranks.device)
    optimiser = type(run.optimiser)(network.parameters(), lr=recipe.optimiser.lr)
    labels = torch.arange(len(paths)) % len(KINDS)
    larger, size = round(recipe.network.size * 510 / 384), recipe.network.size
    rng = np.random.default_rng(0)
    normalise = normaliser(recipe.profile())

    def read(path: Path) -> Tensor:
        colours = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        picture = Image.fromarray(colours).resize((larger, larger), Image.Resampling.BILINEAR)
        y, x = rng.integers(0, larger - size + 1, 2)
        values = np.asarray(picture, np.float32)[y : y + size, x : x + size, 0] / 255
        return torch.from_numpy(values[:, :: rng.choice([-1, 1])].copy())

    def step() -> None:
        image = normalise(torch.stack([read(path) for path in paths])).to(run.ranks.device)
        terms = losses.pim_terms(network(image), labels.to(run.ranks.device))
        loss = losses.total(terms, recipe.losses)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()

    return step


def our_step(run: Run, rows: list[int]) -> Callable[[], None]:
    """Return the product's step over the same films."""
    films, truth = run.supply.train, Truth(run.supply, run.recipe)
    numbers = iter(range(10**9))

    def step() -> None:
        generator = draw.generator_of(0, next(numbers), 0)
        units = torch.stack([films[row] for row in rows])
        loss = batch_loss(run, truth.batch(units, rows), generator)
        loss.backward()
        run.optimiser.step()
        run.optimiser.zero_grad(set_to_none=True)
        loss.item()

    return step


def loader(run: Run, rows: list[int], keep: bool) -> Callable[[], None]:
    """Return the product's loading alone: of kept pictures, or from files as workers do it."""
    known = run.supply.train
    films = Films(known.examples, known.geometry, known.profile, keep)

    def load() -> None:
        torch.stack([films[row] for row in rows])

    return load


def in_turns(steps: dict[str, Callable[[], None]], rounds: int) -> Iterator[dict[str, float]]:
    """Yield the seconds of each way, round by round, after one round that does not count."""
    for number in range(rounds + 1):
        seconds = {}
        for name, step in steps.items():
            begun = time.perf_counter()
            step()
            seconds[name] = time.perf_counter() - begun
        if number:
            yield seconds


def measure(backbone: str, size: int, batch: int, rounds: int) -> dict[str, Any]:
    """Return images a second of each way and the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_set(root, batch + len(KINDS))
        recipe = recipe_of(root, backbone, size, batch)
        run = start(recipe, prepare(recipe, read_examples(recipe)), join())
        run.network.train()
        rows = list(range(batch))
        paths = [run.supply.train.examples[row].path for row in rows]
        steps = {
            "seed": seed_step(run, paths),
            "ours": our_step(run, rows),
            "our_loader": loader(run, rows, keep=True),
            "our_reader": loader(run, rows, keep=False),
        }
        taken = list(in_turns(steps, rounds))
    median = {name: statistics.median(t[name] for t in taken) for name in steps}
    return {
        "network": f"PIM over {backbone}, {size} px, batch {batch}, {rounds} rounds",
        "device": str(run.ranks.device),
        "precision": str(run.dtype or torch.float32),
        "images_per_second": {name: round(batch / t, 2) for name, t in median.items()},
        "ratio": round(statistics.median(t["seed"] / t["ours"] for t in taken), 2),
        "threads": torch.get_num_threads(),
        "loader_share_of_step": round(median["our_loader"] / median["ours"], 4),
        "reader_share_of_step": round(median["our_reader"] / median["ours"], 4),
    }


def main(arguments: Sequence[str]) -> int:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.training", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small pictures, few rounds")
    options = parser.parse_args(arguments)
    if options.quick:
        sizes = [("mobilenetv2_100", 128, 8, 3)]
    else:
        sizes = [
            ("mobilenetv2_100", 384, 16, 5),
            ("swin_tiny_patch4_window7_224", 224, 8, 5),
        ]
    print(json.dumps([measure(*size) for size in sizes], indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
