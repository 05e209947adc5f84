"""Several networks, one answer.

``python -m training.ensemble judge CHECKPOINT... --manifest films.csv --split test --out DIR``
``python -m training.ensemble folds --config RECIPE --folds 5 [key=value ...]``

"judge" combines members by mean probability or by majority vote (2412.13884; a tie goes to the
larger mean probability). "folds" trains a fresh network for each fold of whole patients of the
train and val splits and leaves one checkpoint for each.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from training.data.examples import DataError, Example
from training.data.splits import folds_by_patient
from training.data.supply import read_examples
from training.evaluate import add_films, assess, choose_films
from training.judging.decision import scores_of
from training.judging.responses import ANSWER, HeadAnswers
from training.judging.subject import Subject, load_subject
from training.recipe import Recipe
from training.train import FAILURES, train

_TINY = 1e-9


def mean_probability(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average probabilities [members, films, classes] -> [films, classes]."""
    return np.asarray(scores.mean(axis=0))


def majority_vote(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of votes for each class; ties lean to the larger mean probability.

    The lean is less than half a vote of the members, so it never overrules one.
    """
    members, _, classes = scores.shape
    votes = (scores.argmax(axis=2)[..., None] == np.arange(classes)).mean(axis=0)
    lean = scores.mean(axis=0) / (2 * members)
    total = votes + lean
    return np.asarray(total / total.sum(axis=1, keepdims=True))


MODES = {"mean": mean_probability, "vote": majority_vote}


@dataclass(frozen=True, eq=False)
class Ensemble(Subject):
    """Members that answer together: its logits are logarithms of the combined probabilities."""

    members: tuple[Subject, ...] = ()
    mode: str = "mean"

    @override
    def answer(self, examples: list[Example]) -> HeadAnswers:
        """Return the combined answer."""
        scores = [_scores(member, examples) for member in self.members]
        together = np.clip(MODES[self.mode](np.stack(scores)), _TINY, 1 - _TINY)
        logits = np.log(together)
        if self.activation == "sigmoid":
            logits = logits - np.log1p(-together)
        return HeadAnswers({ANSWER: logits.astype(np.float32)}, {})


def gather(members: Sequence[Subject], mode: str) -> Ensemble:
    """Return the members as one subject.

    Raises
    ------
    DataError
        Their classes differ, or findings that do not exclude each other are put to the vote.
    """
    first = members[0]
    for other in members[1:]:
        if (other.classes, other.activation) != (first.classes, first.activation):
            raise DataError(f"{other.path}: other classes than {first.path}")
    if mode == "vote" and first.activation == "sigmoid":
        raise DataError("a vote needs one class for each film; take --mode mean")
    return Ensemble(
        path=Path("ensemble") / mode,
        classes=first.classes,
        activation=first.activation,
        geometry=first.geometry,
        profile=first.profile,
        decision={"temperature": 1.0},
        network=None,
        members=tuple(members),
        mode=mode,
    )


def train_folds(recipe: Recipe, count: int) -> list[Path]:
    """Train a fresh network for each fold; return their checkpoints.

    The films of the recipe's train and val splits are dealt anew; the others stay untouched.
    """
    splits = (recipe.data.train, recipe.data.val)
    films = [example for example in read_examples(recipe) if example.split in splits]
    paths = []
    for number, (learned, held) in enumerate(folds_by_patient(films, count, recipe.seed)):
        here = recipe.model_copy(
            update={
                "out": recipe.out / f"fold-{number}",
                "data": recipe.data.model_copy(update={"train": "train", "val": "val"}),
            }
        )
        paths.append(train(here, examples=[*learned, *held])[0])
    return paths


def main(arguments: Sequence[str]) -> int:
    """Judge an ensemble, or train the folds of one."""
    parser = argparse.ArgumentParser(prog="training.ensemble", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    judge = commands.add_parser("judge")
    judge.add_argument("members", type=Path, nargs="+", help="checkpoints or packages")
    judge.add_argument("--mode", choices=MODES, default="mean")
    add_films(judge)
    folds = commands.add_parser("folds")
    folds.add_argument("--config", type=Path, required=True)
    folds.add_argument("--folds", type=int, default=5)
    folds.add_argument("changes", nargs="*", metavar="key=value")
    options = parser.parse_args(arguments)
    try:
        lines = _judge(options) if options.command == "judge" else _folds(options)
    except FAILURES as error:
        print(f"training.ensemble: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 0


def _judge(options: argparse.Namespace) -> list[str]:
    ensemble = gather([load_subject(path) for path in options.members], options.mode)
    examples, leaks = choose_films(options, ensemble)
    report = assess(ensemble, examples, options.out)
    warnings = [f"WARNING: {count} {kind} values in two splits" for kind, count in leaks.items()]
    return [*warnings, f"{report['films']} films, {len(options.members)} members -> {options.out}"]


def _folds(options: argparse.Namespace) -> list[str]:
    recipe = Recipe.read(options.config, options.changes)
    return [str(path) for path in train_folds(recipe, options.folds)]


def _scores(member: Subject, examples: list[Example]) -> NDArray[np.float64]:
    logits = member.answer(examples).logits
    return scores_of(logits, member.activation, member.decision["temperature"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
