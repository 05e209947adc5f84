"""Searches that are shared, and trials that are given up."""

from pathlib import Path

import optuna
import pytest
import yaml

from model import checkpoint
from tests.support.films import draw, recipe_tree, write_films
from tests.support.postgres import binaries, running_postgres
from training import tune

SPACE = "optimiser.lr: {low: 1.0e-4, high: 1.0e-2, log: true}\n"


def write_search(root: Path, **changes: object) -> list[str]:
    write_films(root)
    config, space = root / "search.yaml", root / "space.yaml"
    config.write_text(yaml.safe_dump(recipe_tree(root, optimiser__epochs=1, **changes)))
    space.write_text(SPACE)
    return ["--config", str(config), "--space", str(space), "--trials", "1"]


def test_trial_that_falls_behind_is_given_up(tmp_path):
    write_films(tmp_path)
    unreachable = optuna.pruners.ThresholdPruner(lower=2.0)
    study = optuna.create_study(direction="maximize", pruner=unreachable)
    study.enqueue_trial({"optimiser.lr": 1e-3})
    tree = recipe_tree(tmp_path, optimiser__epochs=3)
    with pytest.raises(tune.RecipeError, match=r"no trial of .* came to an end"):
        tune.search(tree, yaml.safe_load(SPACE), study, 1)
    (trial,) = study.trials
    assert trial.state == optuna.trial.TrialState.PRUNED
    assert list(trial.intermediate_values) == [0]


@pytest.mark.long
def test_trial_that_diverges_does_not_end_the_search(tmp_path):
    write_films(tmp_path)
    study = optuna.create_study(direction="maximize")
    for rate in (1e30, 1e-3):
        study.enqueue_trial({"optimiser.lr": rate})
    tree = recipe_tree(tmp_path, optimiser__name="sgd", optimiser__warmup=0)
    space = {"optimiser.lr": {"low": 1e-4, "high": 1e30}}
    best = tune.search(tree, space, study, 2)
    assert best.number == 1


@pytest.mark.long
def test_two_machines_share_a_study_in_postgresql(tmp_path, capsys):
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed")
    with running_postgres() as url:
        for machine in ("a", "b"):
            out = str(tmp_path / machine)
            command = write_search(tmp_path, out=out)
            assert tune.main([*command, "--storage", url, "--study", "shared"]) == 0
            assert (tmp_path / machine / "trials.png").exists()
        with tune.storage_at(url) as storage:
            study = optuna.load_study(study_name="shared", storage=storage)
            assert [trial.number for trial in study.trials] == [0, 1]
    assert "trial " in capsys.readouterr().out


def write_limbs(root: Path, count: int = 48) -> None:
    """Write hands and legs in groups of two, every other group fractured, and some chests."""
    folder = root / "fracatlas"
    folder.mkdir(parents=True)
    rows = ["file,label,split,group,region,hand_only,boxes,sha256"]
    for number in range(count):
        group, hand = number // 2, number % 6 != 0
        label = "fractured" if group % 2 else "normal"
        draw("fracture" if group % 2 else "no_finding", number).save(folder / f"{number}.png")
        region, box = "hand" if hand else "leg", "10 20 50 40" if group % 2 else ""
        split = "train" if number < count * 3 // 4 else "val"
        rows.append(f"{number}.png,{label},{split},{group},{region},{int(hand)},{box},{number}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    chests = root / "chest_kermany"
    chests.mkdir()
    rows = ["file,label,split,patient,sha256"]
    for number in range(4):
        draw("metal", number).save(chests / f"{number}.png")
        rows.append(f"{number}.png,normal,{('train', 'val')[number % 2]},c{number},c{number}")
    (chests / "manifest.csv").write_text("\n".join(rows) + "\n")


@pytest.mark.long
def test_recipe_of_the_shipped_model_is_searched_on_a_fold_of_its_training_groups(tmp_path, capsys):
    write_limbs(tmp_path)
    tree = {
        "name": "tiny",
        "version": "1",
        "out": str(tmp_path / "out"),
        "threads": 1,
        "data": {"root": str(tmp_path), "folds": 3},
        "network": {
            "backbone": "test_resnet",
            "size": 64,
            "width": 16,
            "upsampling": "bilinear",
            "head": "average",
        },
        "losses": {"boxes": 0.5, "dropped": 0.2},
        "optimiser": {"steps": 2, "batch": 4, "warmup_steps": 1},
    }
    config, space = tmp_path / "recipe.yaml", tmp_path / "space.yaml"
    config.write_text(yaml.safe_dump(tree))
    space.write_text("optimiser.lr_head: {low: 1.0e-4, high: 1.0e-2, log: true}\n")
    command = ["--config", str(config), "--space", str(space), "--trials", "1"]
    assert tune.main(command) == 2
    assert "data.fold=0" in capsys.readouterr().err
    (tmp_path / "chest_kermany").rename(tmp_path / "elsewhere")
    assert tune.main([*command, "data.fold=0"]) == 2
    assert "no films of train and val for the gate" in capsys.readouterr().err
    (tmp_path / "elsewhere").rename(tmp_path / "chest_kermany")
    assert tune.main([*command, "data.fold=0"]) == 0
    assert "optimiser.lr_head=" in capsys.readouterr().out
    stored = checkpoint.load(tmp_path / "out" / "trial-1" / "checkpoint.pt")
    assert stored.metrics["judged_by"] == "fold 0"
