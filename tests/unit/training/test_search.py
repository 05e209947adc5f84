"""Searches that are shared, and trials that are given up."""

from pathlib import Path

import optuna
import pytest
import yaml

from tests.films import plan_tree, write_films
from tests.postgres import binaries, running_postgres
from training import tune

SPACE = "optimiser.lr: {low: 1.0e-4, high: 1.0e-2, log: true}\n"


def write_search(root: Path, **changes: object) -> list[str]:
    write_films(root)
    config, space = root / "search.yaml", root / "space.yaml"
    config.write_text(yaml.safe_dump(plan_tree(root, optimiser__epochs=1, **changes)))
    space.write_text(SPACE)
    return ["--config", str(config), "--space", str(space), "--trials", "1"]


def test_trial_that_falls_behind_is_given_up(tmp_path):
    write_films(tmp_path)
    unreachable = optuna.pruners.ThresholdPruner(lower=2.0)
    study = optuna.create_study(direction="maximize", pruner=unreachable)
    study.enqueue_trial({"optimiser.lr": 1e-3})
    tree = plan_tree(tmp_path, optimiser__epochs=3)
    with pytest.raises(tune.RecipeError, match=r"no trial of .* came to an end"):
        tune.search(tree, yaml.safe_load(SPACE), study, 1)
    (trial,) = study.trials
    assert trial.state == optuna.trial.TrialState.PRUNED
    assert list(trial.intermediate_values) == [0]


def test_trial_that_diverges_does_not_end_the_search(tmp_path):
    write_films(tmp_path)
    study = optuna.create_study(direction="maximize")
    for rate in (1e30, 1e-3):
        study.enqueue_trial({"optimiser.lr": rate})
    tree = plan_tree(tmp_path, optimiser__name="sgd", optimiser__warmup=0)
    space = {"optimiser.lr": {"low": 1e-4, "high": 1e30}}
    best = tune.search(tree, space, study, 2)
    assert best.number == 1


def test_two_machines_share_a_study_in_postgresql(tmp_path, capsys):
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed")
    with running_postgres() as url:
        for machine in ("a", "b"):
            out = str(tmp_path / machine)
            command = write_search(tmp_path, out=out)
            assert tune.main([*command, "--storage", url, "--study", "shared"]) == 0
            assert (tmp_path / machine / "trials.png").exists()
        study = optuna.load_study(study_name="shared", storage=url)
        assert [trial.number for trial in study.trials] == [0, 1]
    assert "trial " in capsys.readouterr().out
