"""Compare variants of a recipe: ``python -m training.compare --config RECIPE --variants FILE``.

FILE is YAML: the name of a variant to a list of ``key=value`` words. Every variant is trained with
every seed on the same split and judged by its last weights, nothing chosen, on the validation
films. The AUROC of a finding is averaged over seeds; its interval, and that of the difference to
the first variant, come from one bootstrap over patients that is shared by all (paired). Runs that
are already there are not repeated, one that was stopped goes on. The table goes to
``compare.json`` and, as Markdown, to stdout.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from training.data.examples import Example, meets
from training.data.supply import read_examples, sides_of
from training.data.truth import targets
from training.judging.metrics import interval, ranking, resample
from training.judging.sheets import write_json
from training.judging.subject import load_subject
from training.recipe import Recipe
from training.recipe.parsing import RecipeError
from training.run.start import STATE_FILE
from training.train import FAILURES, train

RESAMPLES = 2000
Scores = NDArray[np.float64]


def read_variants(path: Path) -> dict[str, list[str]]:
    """Read the variants; the first is what the others are compared with."""
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(tree, dict) or not tree:
        raise RecipeError(f"{path}: write name: [key=value, ...] for each variant")
    return {str(name): [str(word) for word in words or []] for name, words in tree.items()}


def scores_of_run(recipe: Recipe, films: list[Example], finding: str) -> Scores:
    """Train, or go on, where there is no result; return the finding's scores of the films."""
    kept = recipe.out / "scores.json"
    if kept.is_file():
        return np.array(json.loads(kept.read_text(encoding="utf-8")))
    train(recipe.model_copy(update={"resume": (recipe.out / STATE_FILE).is_file()}))
    subject = load_subject(recipe.out / "last.pt")
    logits = subject.answer(films).logits.astype(float)
    column = subject.classes.index(finding)
    scores = logits[:, column]
    if subject.activation == "softmax":
        scores = scores - np.delete(logits, column, axis=1).max(axis=1)
    kept.write_text(json.dumps(scores.tolist()), encoding="utf-8")
    return np.asarray(scores)


def table_of(
    scores: Mapping[str, Sequence[Scores]], positive: NDArray[np.bool_], patients: Sequence[str]
) -> dict[str, dict[str, object]]:
    """Return for each variant the mean AUROC over seeds and its difference to the first one."""
    weights = resample(patients, RESAMPLES)
    areas = {
        name: np.stack([ranking(run, positive, weights)[0] for run in runs])
        for name, runs in scores.items()
    }
    first = next(iter(areas.values())).mean(axis=0)
    return {
        name: {
            "auroc": interval(found.mean(axis=0)),
            "difference": interval(found.mean(axis=0) - first),
            "each_seed": [float(value) for value in found[:, 0]],
        }
        for name, found in areas.items()
    }


def markdown(table: Mapping[str, Mapping[str, object]]) -> str:
    """Return the table for people."""
    lines = ["| variant | AUROC (95 %) | difference | each seed |", "|---|---|---|---|"]
    for name, row in table.items():
        cells = [_range(row["auroc"], ".3f"), _range(row["difference"], "+.3f")]
        seeds = ", ".join(f"{value:.3f}" for value in _floats(row["each_seed"]))
        lines.append(f"| {name} | {cells[0]} | {cells[1]} | {seeds} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(prog="training.compare", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--variants", type=Path, required=True)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--finding", default="fracture")
    parser.add_argument("changes", nargs="*", metavar="key=value")
    options = parser.parse_args(arguments)
    try:
        variants = read_variants(options.variants)
        base = Recipe.read(options.config, options.changes)
        films = [e for e in sides_of(base, read_examples(base))[1] if meets(e, base.data.judged)]
        scores: dict[str, list[Scores]] = {name: [] for name in variants}
        for seed in map(int, options.seeds.split(",")):
            for name, words in variants.items():
                own = [f"seed={seed}", f"out={base.out / name}-{seed}"]
                recipe = Recipe.read(options.config, [*options.changes, *words, *own])
                scores[name].append(scores_of_run(recipe, films, options.finding))
    except FAILURES as error:
        print(f"training.compare: {error}", file=sys.stderr)
        return 2
    truth = targets(films, base.classes)[:, base.classes.index(options.finding)] > 0
    table = table_of(scores, truth, [film.patient for film in films])
    write_json(table, base.out / "compare.json")
    print(f"{len(films)} films, {int(truth.sum())} with {options.finding}, seeds {options.seeds}")
    print(markdown(table))
    return 0


def _floats(values: object) -> list[float]:
    assert isinstance(values, list | tuple)
    return [float(value) for value in values]


def _range(figure: object, form: str) -> str:
    value, low, high = (format(part, form) for part in _floats(figure))
    return f"{value} ({low} to {high})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
