"""Train a network: ``python -m training.train --config RECIPE.yaml [key=value ...]``.

Reads from top to bottom in the order of events: recipe, films, network, steps, averaged weights,
gate, calibration, figures, checkpoint. Nothing of the judged films is seen before calibration;
there is no early stopping and no choice of a best step. A recipe with ``trainer: split`` is run by
`training.learn`. Exit status 2: recipe or films are wrong, nothing was run; 1: the run failed.
"""

import argparse
import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lion_pytorch import Lion
from numpy.typing import NDArray
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from model import checkpoint
from model.checkpoint import Checkpoint
from model.networks.backbone import freeze_norms
from model.networks.pim import Pim
from model.networks.pretrained import load_backbone
from model.pixels import PixelProfile
from training import baselines, losses
from training.augment import augment
from training.config import Recipe, RecipeError, read_tree
from training.data import (
    Film,
    Pictures,
    box_mask,
    data_hash,
    insist_on_chests,
    load_pictures,
    read_fracatlas,
    split_films,
)
from training.examples import DataError
from training.geometry import normaliser
from training.judge import judge
from training.learn import DivergedError, Report, learn
from training.plan import Plan
from training.progress import progress_bar
from training.sampling import Sampler
from training.schedule import rate
from training.states import ResumeError, SaveError

logger = logging.getLogger(__name__)

BOX_CELL = 8
SMOOTHED_LOSS = 0.98
LOG_EVERY = 100


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Films in memory: pictures, labels [n], box masks [n, cells, cells], if those are known."""

    films: list[Film]
    pictures: Pictures
    labels: NDArray[np.int64]
    masks: NDArray[np.float32]
    known: NDArray[np.bool_]


def main(arguments: Sequence[str]) -> int:
    """Run one recipe; exit status 0, or 2 when the recipe is wrong."""
    parser = argparse.ArgumentParser(prog="training.train", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="recipe, YAML")
    parser.add_argument("changes", nargs="*", metavar="key=value", help="replace recipe values")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        path, metrics = run(options.config, options.changes)
    except (RecipeError, DataError, ResumeError) as error:
        print(error, file=sys.stderr)
        return 2
    except (DivergedError, SaveError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(metrics, indent=2))
    print(path)
    return 0


def run(config: Path, changes: Sequence[str]) -> tuple[Path, dict[str, Any]]:
    """Run a recipe; return checkpoint and figures."""
    return run_tree(read_tree(config, changes), str(config))


def run_tree(
    tree: dict[str, Any], where: str, report: Report | None = None
) -> tuple[Path, dict[str, Any]]:
    """Run a recipe or, where the tree says ``trainer: split``, a plan; see `learn` for `report`."""
    if tree.get("trainer") == "split":
        return learn(Plan.check(tree, where), report)
    recipe = Recipe.check(tree, where)
    if recipe.data.root is None:
        raise RecipeError("data.root: give the folder with the films, data.root=FOLDER")
    return train(recipe, recipe.data.root)


def train(recipe: Recipe, root: Path) -> tuple[Path, dict[str, Any]]:
    """Run a recipe on the films under `root`; return the checkpoint's path and its figures."""
    torch.manual_seed(recipe.seed)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    profile = PixelProfile(size=recipe.network.size, **recipe.pixels.model_dump())

    insist_on_chests(root)
    limbs, held_limbs = split_films(read_fracatlas(root), recipe.data.fold, recipe.data.folds)
    held = [film for film in held_limbs if film.hand_only]
    learned = load_training_set(
        [film for film in limbs if film.hand_only or recipe.data.other_regions], profile
    )
    logger.info("%d films to train on, %d hands to judge by", len(learned.films), len(held))

    network = build(recipe)
    hands = [film for film in limbs if film.hand_only]
    reached = {
        "shortcut": baselines.shortcut(hands, held),
        "frozen": baselines.frozen(network, hands, held, profile),
    }
    logger.info("baselines: %s", reached)
    averaged, history = fit(network, learned, recipe, profile)

    stored = Checkpoint(
        network=recipe.pim().model_dump(mode="json"),
        pixels=profile.model_dump(mode="json"),
        weights=averaged.state_dict(),
        recipe=recipe.public(),
        provenance=describe(recipe, learned.films, held) | history,
    )
    checkpoint.save(stored, recipe.out / "trained.pt")  # before anything else can go wrong
    decision, metrics = judge(averaged, limbs, held_limbs, recipe, profile)
    metrics["baselines"] = reached
    path = recipe.out / "checkpoint.pt"
    weights = averaged.state_dict()
    checkpoint.save(replace(stored, weights=weights, decision=decision, metrics=metrics), path)
    return path, metrics


def load_training_set(films: list[Film], profile: PixelProfile) -> TrainingSet:
    """Read films into memory, with their box masks on cells of 8 pixels."""
    pictures = load_pictures(films, profile)
    masks = [
        box_mask(film, placement, profile.size, BOX_CELL)
        for film, placement in zip(films, pictures.placements, strict=True)
    ]
    return TrainingSet(
        films=films,
        pictures=pictures,
        labels=np.array([film.fractured for film in films], dtype=np.int64),
        masks=np.stack(masks),
        known=np.array([bool(film.boxes) or not film.fractured for film in films]),
    )


def build(recipe: Recipe) -> Pim:
    """Build the network with its initial weights, the first stages frozen."""
    network = Pim(recipe.pim())
    if recipe.backbone_weights is not None:
        try:
            load_backbone(network.backbone, recipe.backbone_weights)
        except (OSError, ValueError) as error:
            raise RecipeError(f"backbone_weights: {error}") from error
    for index, stage in enumerate(network.backbone.stages()):
        if index < recipe.network.frozen_stages:
            stage.requires_grad_(False)
    return network


def make_optimiser(network: Pim, hints: losses.BoxHints, recipe: Recipe) -> Lion:
    """Lion with one rate for the backbone and one for what starts from random weights."""
    backbone = [p for p in network.backbone.parameters() if p.requires_grad]
    known = {id(p) for p in network.backbone.parameters()}
    fresh = [p for p in network.parameters() if p.requires_grad and id(p) not in known]
    knobs = recipe.optimiser
    groups = [
        {"params": backbone, "lr": knobs.lr_backbone, "top": knobs.lr_backbone},
        {"params": [*fresh, *hints.parameters()], "lr": knobs.lr_head, "top": knobs.lr_head},
    ]
    return Lion(groups, betas=(0.9, 0.99), weight_decay=knobs.weight_decay)


def fit(
    network: Pim, learned: TrainingSet, recipe: Recipe, profile: PixelProfile
) -> tuple[Pim, dict[str, str]]:
    """Take all steps; return the averaged network and what is worth remembering of the run."""
    knobs = recipe.optimiser
    hints = losses.BoxHints(recipe.network.width, network.grids)
    optimiser = make_optimiser(network, hints, recipe)
    mean = get_ema_multi_avg_fn(knobs.ema_decay)  # type: ignore[no-untyped-call]  # by torch
    averaged = AveragedModel(network, multi_avg_fn=mean, use_buffers=True)
    sampler = Sampler(learned.films, recipe.data, np.random.default_rng(recipe.seed))
    generator = torch.Generator().manual_seed(recipe.seed)
    smooth = shown = 0.0
    network.train()
    freeze_norms(network)
    with progress_bar() as bar:
        task = bar.add_task("training", total=knobs.steps, loss="")
        for step in range(knobs.steps):
            factor = rate(step, knobs.steps, knobs.warmup_steps)
            for group in optimiser.param_groups:
                group["lr"] = group["top"] * factor
            batch = take_batch(learned, sampler, recipe, generator)
            terms = step_terms(network, hints, batch, recipe, profile)
            loss = losses.total(terms, recipe.losses)
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimiser.step()
            averaged.update_parameters(network)
            smooth = SMOOTHED_LOSS * smooth + (1 - SMOOTHED_LOSS) * terms["combined"].item()
            shown = smooth / (1 - SMOOTHED_LOSS ** (step + 1))
            bar.update(task, advance=1, loss=f"{shown:.3f}")
            if step % LOG_EVERY == 0:
                logger.info("step %d of %d, loss %.3f", step, knobs.steps, shown)
        seconds = bar.tasks[0].elapsed or 0.0
    return cast(Pim, averaged.module).eval(), {
        "seconds": f"{seconds:.0f}",
        "last_training_loss": f"{shown:.3f}",
    }


Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def take_batch(
    learned: TrainingSet, sampler: Sampler, recipe: Recipe, generator: torch.Generator
) -> Batch:
    """Draw films and change them at random: units, labels, masks, known."""
    rows = sampler.draw(recipe.optimiser.batch)
    units, masks = augment(
        torch.from_numpy(learned.pictures.units[rows]),
        torch.from_numpy(learned.masks[rows]),
        recipe.augment,
        generator,
    )
    labels, known = torch.from_numpy(learned.labels[rows]), torch.from_numpy(learned.known[rows])
    return units, labels, masks, known


def step_terms(
    network: Pim, hints: losses.BoxHints, batch: Batch, recipe: Recipe, profile: PixelProfile
) -> dict[str, torch.Tensor]:
    """Return the loss terms of one batch."""
    units, labels, masks, known = batch
    image = normaliser(profile)(units).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.optimiser.bfloat16):
        output = network(image)
        terms = losses.pim_terms(output, labels, recipe.losses.label_smoothing)
        if recipe.losses.boxes:
            terms["boxes"] = hints(output.levels, masks, known)
    return terms


def describe(recipe: Recipe, learned: list[Film], held: list[Film]) -> dict[str, str]:
    """Return where the weights come from: commit, data, seed, versions."""
    git = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    return {
        "recipe": f"{recipe.name} {recipe.version}",
        "commit": git.stdout.strip() if git.returncode == 0 else "uncommitted",
        "data_sha256": data_hash([*learned, *held]),
        "seed": str(recipe.seed),
        "torch": str(torch.__version__),
        "films": f"{len(learned)} to train on, {len(held)} to judge by",
        "device": f"CPU, {torch.get_num_threads()} threads",
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
