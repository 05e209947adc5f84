"""Train a network: ``python -m training.train --config RECIPE.yaml [key=value ...]``.

Any network of the registry on any task. The file reads from top to bottom in the order of events:
recipe, films, network, passes, judging, checkpoint. ``--help-recipe`` prints every key of a recipe.

A *pass* is one forward and backward of a batch; a *step* changes the weights after
`optimiser.accumulate` passes. Everything random is a function of the seed and the number of the
pass (`training.data.draw`), so a run that was killed goes on to the same weights (``resume=true``).
Exit status 2: recipe or films are wrong, nothing was run; 1: the run failed.
"""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from model.networks.metadata import mask
from training.data import draw
from training.data.changes import blend, change, move_points, warp
from training.data.examples import DataError, Example
from training.data.films import normaliser
from training.data.supply import Supply, prepare, read_examples, stream
from training.data.truth import patients, targets
from training.judging.baselines import reached_without_training
from training.recipe import Recipe
from training.recipe.parsing import RecipeError
from training.run import arithmetic
from training.run.bar import progress_bar
from training.run.building import build, train_mode
from training.run.keep import Keeper
from training.run.learner import Batch
from training.run.optimisers import set_rates
from training.run.ranks import join, leave, mean, wait
from training.run.resuming import ResumeError, SaveError
from training.run.start import Run, save, start
from training.run.tracking import Trackers

logger = logging.getLogger(__name__)

Report = Callable[[int, float], None]


class DivergedError(Exception):
    """The loss is no number any more; nothing was saved since."""


FAILURES = (RecipeError, DataError, ResumeError, DivergedError, SaveError)
"""All that ends a run; each says in one line what to do."""


def main(arguments: Sequence[str]) -> int:
    """Run one recipe."""
    parser = argparse.ArgumentParser(prog="training.train", description=__doc__)
    parser.add_argument("--config", type=Path, help="recipe, YAML")
    parser.add_argument("--help-recipe", action="store_true", help="print every key of a recipe")
    parser.add_argument("changes", nargs="*", metavar="key=value", help="replace recipe values")
    options = parser.parse_args(arguments)
    if options.help_recipe:
        from training.recipe.help_text import recipe_help

        print(recipe_help())
        return 0
    if options.config is None:
        parser.error("give --config RECIPE, or --help-recipe")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        path, figures = train(Recipe.read(options.config, options.changes))
    except (RecipeError, DataError, ResumeError) as error:
        print(f"training.train: {error}", file=sys.stderr)
        return 2
    except (DivergedError, SaveError) as error:
        print(f"training.train: {error}", file=sys.stderr)
        return 1
    print(json.dumps(figures, indent=2))
    print(path)
    return 0


def train(
    recipe: Recipe, report: Report | None = None, examples: list[Example] | None = None
) -> tuple[Path, dict[str, Any]]:
    """Run a recipe; return the path of ``best.pt`` and the figures of the last evaluation.

    Parameters
    ----------
    recipe : Recipe
    report : callable, optional
        Called with (epoch, validation figure) after every evaluation; may end the run by raising.
    examples : list of Example, optional
        Films to use instead of the recipe's own (a fold).

    Raises
    ------
    DataError, RecipeError, ResumeError
        Before any step.
    DivergedError, SaveError
        In the run; checkpoints and state that were written before are kept.
    """
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    ranks = join()
    try:
        supply = prepare(recipe, read_examples(recipe) if examples is None else examples)
        torch.manual_seed(recipe.seed)
        network = build(recipe)
        baselines = {}
        if recipe.watch.baselines and ranks.first and not recipe.resume:
            baselines = reached_without_training(
                network, supply.train, supply.val, recipe.classes, recipe.data.judged
            )
            logger.info("baselines: %s", baselines)
        run = start(recipe, supply, ranks, network)
        keeper = Keeper(recipe, supply, ranks.device, baselines)
        kinds = recipe.watch.track if ranks.first else ()
        with Trackers(kinds, recipe.out, recipe.name, recipe.public()) as trackers:
            return _epochs(run, keeper, trackers, report)
    finally:
        leave(ranks)


def _epochs(
    run: Run, keeper: Keeper, trackers: Trackers, report: Report | None
) -> tuple[Path, dict[str, Any]]:
    whole, every = run.passes_an_epoch, run.recipe.watch.evaluate_every
    figures: dict[str, Any] = {}
    with progress_bar(disable=not run.ranks.first) as bar:
        task = bar.add_task("training", total=run.total, completed=run.passes, loss="")
        for epoch in range(run.passes // whole, -(-run.total // whole)):
            loss = _epoch(run, epoch, lambda shown: bar.update(task, advance=1, loss=shown))
            trackers.log(run.passes, {"loss": loss})
            run.history.setdefault("loss", []).append([run.passes, loss])
            ended = run.passes >= run.total
            if ended or (every and (epoch + 1) % every == 0):
                if run.ranks.first:
                    figures = keeper.keep(run, ended)
                    trackers.log(run.passes, {keeper.chosen_by: figures[keeper.chosen_by]})
                wait(run.ranks)
                if report is not None and run.ranks.first:
                    report(epoch, figures[keeper.chosen_by])
            save(run)
    return run.recipe.out / "best.pt", figures


def _epoch(run: Run, epoch: int, shown: Callable[[str], None]) -> float:
    """Take the passes of one epoch that are still to do; return the mean loss."""
    recipe, supply, section = run.recipe, run.supply, run.recipe.optimiser
    train_mode(run.learner, recipe)
    rows = draw.epoch_rows(supply.train.examples, recipe.data, recipe.seed, epoch)
    parts = draw.rank_batches(rows, section.batch, run.ranks.rank, run.ranks.count)
    parts = parts[: run.total - epoch * run.passes_an_epoch]
    done = run.passes - epoch * run.passes_an_epoch
    truth = Truth(supply, recipe)
    seen: list[float] = []
    pictures = stream(supply.train, parts[done:], 0 if recipe.data.keep else recipe.data.workers)
    for number, (units, part) in enumerate(zip(pictures, parts[done:], strict=True), done):
        group = number - number % section.accumulate
        count = min(section.accumulate, len(parts) - group)
        final = number + 1 == group + count
        seen.append(_pass(run, truth.batch(units, part), count, final))
        run.passes += 1
        shown(f"{seen[-1]:.3f}")
        if final and (run.passes // section.accumulate) % recipe.watch.save_every == 0:
            save(run)
    return sum(seen) / max(1, len(seen))


class Truth:
    """What is true of the films to train on, batch by batch."""

    def __init__(self, supply: Supply, recipe: Recipe) -> None:
        examples = supply.train.examples
        truth = torch.from_numpy(targets(examples, recipe.classes))
        self._label = truth.argmax(dim=1) if recipe.is_exclusive else truth
        self._patients, self._supply = patients(examples), supply

    def batch(self, units: Tensor, rows: list[int]) -> Batch:
        """Return the batch of some rows, nothing changed at random."""
        places = self._supply.places
        further = {name: values[rows] for name, values in self._supply.auxiliary.items()}
        batch = Batch(units, self._label[rows], self._patients[rows], further)
        if places is not None:
            batch.masks, batch.known = places.masks[rows], places.known[rows]
            batch.points = places.points[rows]
        return batch


def _pass(run: Run, batch: Batch, count: int, final: bool) -> float:
    """Forward and backward of one batch, and the step after the last of its group."""
    recipe = run.recipe
    set_rates(run.optimiser, recipe.optimiser, run.passes, run.passes_an_epoch, run.total)
    generator = draw.generator_of(recipe.seed, run.passes, run.ranks.rank)
    torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))  # dropout
    hold: AbstractContextManager[object] = nullcontext()
    if not final and isinstance(run.wrapped, DistributedDataParallel):
        hold = run.wrapped.no_sync()
    with hold:
        loss = batch_loss(run, batch, generator)
        shown = mean(loss, run.ranks)
        if not torch.isfinite(torch.tensor(shown)):
            raise DivergedError(
                f"the loss is {shown} in pass {run.passes}; checkpoints that were written before "
                "are kept: try a smaller optimiser.lr, optimiser.clip=1 or "
                "optimiser.precision=float32"
            )
        torch.autograd.backward(run.scaler.scale(loss / count))
    if final:
        _step(run)
    return shown


def batch_loss(run: Run, batch: Batch, generator: torch.Generator) -> Tensor:
    """Change a batch at random and return its loss."""
    recipe = run.recipe
    units, matrix = change(batch.units, recipe.network.size, recipe.augment, generator)
    if matrix is not None and batch.masks is not None and batch.points is not None:
        batch.masks = warp(batch.masks, matrix)
        batch.points = move_points(batch.points, matrix)
    units, mixture = blend(units, recipe.augment, generator)
    share = recipe.augment.mask_metadata * run.passes / run.total
    batch.patients = mask(batch.patients, share, generator)
    image = normaliser(recipe.profile())(units).to(run.ranks.device, non_blocking=True)
    with arithmetic.cast_to(run.dtype, run.ranks.device):
        image = image.contiguous(memory_format=torch.channels_last)
        loss: Tensor = run.wrapped(image, batch.to(run.ranks.device), mixture)
    return loss


def _step(run: Run) -> None:
    if run.recipe.optimiser.clip is not None:
        run.scaler.unscale_(run.optimiser)
        nn.utils.clip_grad_norm_(run.learner.parameters(), run.recipe.optimiser.clip)
    run.scaler.step(run.optimiser)
    run.scaler.update()
    run.optimiser.zero_grad(set_to_none=True)
    if run.averaged is not None:
        run.averaged.update_parameters(run.learner)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
