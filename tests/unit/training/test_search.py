"""Searches that are shared, and trials that are given up."""

from pathlib import Path

import optuna
import pytest
import yaml

from export.card import read_template
from model import checkpoint
from tests.support.films import draw, recipe_tree, write_films
from tests.support.postgres import binaries, running_postgres
from training import tune
from training.train import main

RECIPES = Path(__file__).parents[3] / "training" / "recipes"
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
    rows = ["file,label,split,group,hand_only,boxes"]
    for number in range(count):
        group, hand = number // 2, number % 6 != 0
        label = "fractured" if group % 2 else "normal"
        draw("fracture" if group % 2 else "no_finding", number).save(root / f"{number}.png")
        box = "10 20 50 40" if group % 2 else ""
        split = "train" if number < count * 3 // 4 else "val"
        rows.append(f"{number}.png,{label},{split},{group},{int(hand)},{box}")
    (root / "limbs.csv").write_text("\n".join(rows) + "\n")
    rows = ["file,label,split,patient"]
    for number in range(4):
        draw("metal", 100 + number).save(root / f"chest{number}.png")
        rows.append(f"chest{number}.png,normal,{('train', 'val')[number % 2]},c{number}")
    (root / "chests.csv").write_text("\n".join(rows) + "\n")


def limbs_tree(root: Path) -> dict[str, object]:
    shares = [
        {"where": {"hand_only": hand, "labels": label}, "share": 0.25}
        for hand in "10"
        for label in ("fracture", "")
    ]
    network = {"backbone": "test_resnet", "size": 64, "width": 16, "upsampling": "bilinear"}
    return {
        "name": "tiny",
        "out": str(root / "out"),
        "threads": 1,
        "classes": ["no_finding", "fracture"],
        "data": {
            "manifest": str(root / "limbs.csv"),
            "rename": {"normal": "no_finding", "fractured": "fracture"},
            "judged": {"hand_only": "1"},
            "sampler": "shares",
            "shares": shares,
            "folds": 3,
        },
        "network": network | {"head": "average"},
        "losses": {"boxes": 0.5, "dropped": 0.2},
        "optimiser": {"steps": 2, "batch": 4, "accumulate": 1, "warmup": 1, "ema_decay": 0.9},
        "augment": {"rotation_deg": 10, "flip": 0.5, "blur": 0, "sharpen": 0},
        "gate": {"refuse": str(root / "chests.csv"), "films": 6},
        "watch": {"track": [], "evaluate_every": 0, "baselines": True},
    }


@pytest.mark.long
def test_recipe_with_boxes_shares_and_gate_is_searched_on_a_fold_of_its_training_groups(
    tmp_path, capsys
):
    write_limbs(tmp_path)
    config, space = tmp_path / "recipe.yaml", tmp_path / "space.yaml"
    config.write_text(yaml.safe_dump(limbs_tree(tmp_path)))
    space.write_text("optimiser.lr: {low: 1.0e-4, high: 1.0e-2, log: true}\n")
    command = ["--config", str(config), "--space", str(space), "--trials", "1", "data.fold=0"]
    assert tune.main(command) == 0
    assert "optimiser.lr=" in capsys.readouterr().out
    stored = checkpoint.load(tmp_path / "out" / "trial-0" / "best.pt")
    assert stored.metrics["judged_by"] == "fold 0 of train"
    assert 0 < stored.decision["gate_threshold"] < 1
    assert set(stored.metrics["baselines"]) == {"shortcut", "frozen"}
    assert "level2" in stored.metrics["localisation"]
    assert stored.network["kind"] == "pim"
    facts = ("name", "version", "megabytes", "size", "cam_layer")
    read_template(RECIPES / "wrist_demo_card.md", stored, facts)  # knows every place


def test_gate_without_films_to_refuse_ends_the_run_before_it_starts(tmp_path, capsys):
    write_limbs(tmp_path)
    chests = (tmp_path / "chests.csv").read_text()
    (tmp_path / "chests.csv").write_text(chests.replace(",val,", ",train,"))
    config = tmp_path / "recipe.yaml"
    config.write_text(yaml.safe_dump(limbs_tree(tmp_path)))
    assert main(["--config", str(config)]) == 2
    assert "no films of train and val for the gate" in capsys.readouterr().err
    assert not (tmp_path / "out" / "state.pt").exists()
