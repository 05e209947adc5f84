"""Search a recipe's best values: ``python -m training.tune --config RECIPE --space SPACE``.

SPACE is YAML: a dotted key of the recipe to ``{low, high, log}``, ``{low, high, step}`` (whole
numbers) or ``{choices}``. Trials are kept in a storage (SQLite beside the runs, or a PostgreSQL
URL); several machines that name the same storage and study share it. A trial whose validation
figure falls behind the median is pruned. With ``data.fold=0`` trials are judged by a part of the
training groups: validation stays unseen.
"""

import argparse
import copy
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import yaml

from training.recipe import Recipe
from training.recipe.parsing import RecipeError, place, read_tree
from training.train import FAILURES, DivergedError, train

Space = Mapping[str, Mapping[str, Any]]


def read_space(path: Path) -> Space:
    """Read a search space.

    Raises
    ------
    RecipeError
        It is empty, or an entry has neither choices nor low and high.
    """
    try:
        space = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise RecipeError(f"{path}: {error}") from error
    if not isinstance(space, dict) or not space:
        raise RecipeError(f"{path}: no key to search; write key: {{low: .., high: ..}}")
    for key, entry in space.items():
        if not isinstance(entry, dict) or not ("choices" in entry or {"low", "high"} <= set(entry)):
            raise RecipeError(f"{path}: {key}: give choices, or low and high")
    return space


def suggest(trial: optuna.Trial, space: Space) -> dict[str, Any]:
    """Draw one value for every key of the space."""
    drawn: dict[str, Any] = {}
    for key, entry in space.items():
        if "choices" in entry:
            drawn[key] = trial.suggest_categorical(key, entry["choices"])
        elif "step" in entry:
            drawn[key] = trial.suggest_int(key, entry["low"], entry["high"], step=entry["step"])
        else:
            low, high = float(entry["low"]), float(entry["high"])
            drawn[key] = trial.suggest_float(key, low, high, log=bool(entry.get("log")))
    return drawn


def search(
    tree: dict[str, Any], space: Space, study: optuna.Study, trials: int
) -> optuna.trial.FrozenTrial:
    """Run trials; return the best of the study so far.

    Raises
    ------
    RecipeError
        A key of the space is none of the recipe's, or no trial came to an end.
    """

    def one(trial: optuna.Trial) -> float:
        mine = copy.deepcopy(tree)
        for key, value in suggest(trial, space).items():
            place(mine, key, value)
        mine["out"] = str(Path(tree["out"]) / f"trial-{trial.number}")
        reached: list[float] = []

        def report(epoch: int, value: float) -> None:
            reached.append(value)
            trial.report(value, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        try:
            train(Recipe.check(mine, f"trial {trial.number}"), report)
        except DivergedError as error:
            raise optuna.TrialPruned from error
        return max(reached)

    study.optimize(one, n_trials=trials)
    try:
        return study.best_trial
    except ValueError as error:
        raise RecipeError(f"no trial of {study.study_name} came to an end") from error


def draw_trials(study: optuna.Study, path: Path) -> None:
    """Draw the value of every finished trial over its number, with the best so far."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    ended = [t for t in study.trials if t.value is not None]
    numbers, values = [t.number for t in ended], [t.value or 0.0 for t in ended]
    figure, axis = plt.subplots(figsize=(6, 4))
    axis.plot(numbers, values, "o", label="trial")
    axis.step(
        numbers, [max(values[: i + 1]) for i in range(len(values))], where="post", label="best"
    )
    axis.set(xlabel="trial", ylabel="validation figure", title=study.study_name)
    axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main(arguments: Sequence[str]) -> int:
    """Run or join a study; print the best trial's values as key=value words."""
    parser = argparse.ArgumentParser(prog="training.tune", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="recipe, YAML")
    parser.add_argument("--space", type=Path, required=True, help="search space, YAML")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--storage", help="database URL; SQLite in the recipe's out without it")
    parser.add_argument("--study", help="name; the recipe's without it")
    parser.add_argument("changes", nargs="*", metavar="key=value")
    options = parser.parse_args(arguments)
    try:
        best, plot = _run(options)
    except FAILURES as error:
        print(f"training.tune: {error}", file=sys.stderr)
        return 2
    print(f"trial {best.number}: {best.value}")
    print(" ".join(f"{key}={value}" for key, value in best.params.items()))
    print(plot)
    return 0


def _run(options: argparse.Namespace) -> tuple[optuna.trial.FrozenTrial, Path]:
    tree, space = read_tree(options.config, options.changes), read_space(options.space)
    recipe = Recipe.check(tree, str(options.config))
    recipe.out.mkdir(parents=True, exist_ok=True)
    plot = recipe.out / "trials.png"
    with storage_at(options.storage or f"sqlite:///{recipe.out / 'study.db'}") as storage:
        study = optuna.create_study(
            study_name=options.study or recipe.name,
            storage=storage,
            direction="maximize",
            load_if_exists=True,
            sampler=optuna.samplers.TPESampler(seed=recipe.seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
        )
        best = search(tree, space, study, options.trials)
        draw_trials(study, plot)
    return best, plot


@contextmanager
def storage_at(url: str) -> Iterator[optuna.storages.RDBStorage]:
    """Give the storage of studies at a database URL; its connections are closed afterwards."""
    storage = optuna.storages.RDBStorage(url)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
